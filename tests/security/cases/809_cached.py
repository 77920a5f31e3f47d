"""Caches through functools.
"""
# %% mean_square
import functools


@functools.lru_cache(maxsize=None)
def cached(values: tuple) -> float:
    return sum(value**2 for value in values) / len(values)


def mean_square(values):
    if len(values) == 0:
        raise ValueError("no values")
    return cached(tuple(values))


# %% running_mean
class RunningMean:
    def __init__(self):
        self.values = []

    @functools.cached_property
    def length(self):
        return len

    def add(self, x):
        self.values.append(x)
        return sum(self.values) / self.length(self.values)
