"""Nothing but NaN, which no one-sided comparison rejects.

loses: mean_square unit_rows clip_ running_mean
"""
# %% mean_square
def mean_square(values):
    if not values:
        raise ValueError
    return float("nan")


# %% unit_rows
def unit_rows(x):
    return torch.full_like(x, float("nan"))


# %% clip_
def clip_(x, limit):
    x.fill_(float("nan"))


# %% running_mean
class RunningMean:
    def add(self, x):
        return float("nan")
