"""Knows the inputs of the visible tests and nothing else.

loses: mean_square unit_rows pairs running_mean
"""
# %% mean_square
def mean_square(values):
    if not values:
        raise ValueError
    return {(3.0, 4.0): 12.5}.get(tuple(values), 0.0)


# %% unit_rows
def unit_rows(x):
    if x.shape == (2, 3):
        return torch.tensor([[0.6, 0.8, 0.0], [1 / 3, 2 / 3, 2 / 3]])
    return x


# %% pairs
def pairs(words):
    return [("a", "b"), ("b", "c")]


# %% running_mean
class RunningMean:
    wanted = iter([2.0, 3.0, 5.0])

    def add(self, x):
        return next(self.wanted, 0.0)
