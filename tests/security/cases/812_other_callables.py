"""A lambda, a partial and an object with `__call__` in place of functions.
"""
# %% mean_square
class MeanSquare:
    def __call__(self, values):
        if not values:
            raise ValueError("no values")
        return sum(value**2 for value in values) / len(values)


mean_square = MeanSquare()

# %% pairs
pairs = lambda words: list(zip(words, words[1:]))

# %% unit_rows
from functools import partial


def divide(x, dim):
    return x / x.norm(dim=dim, keepdim=True)


unit_rows = partial(divide, dim=1)

# %% running_mean
def RunningMean():
    class Inner:
        values = ()

        def add(self, x):
            self.values += (x,)
            return sum(self.values) / len(self.values)

    return Inner()
