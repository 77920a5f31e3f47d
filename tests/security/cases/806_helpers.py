"""Helper functions, classes and constants beside the answer, used by later answers too.
"""
# %% mean_square
POWER = 2


class Sum:
    def __init__(self, values):
        self.value = sum(values)

    def over(self, count):
        return self.value / count


def squares(values):
    return [value**POWER for value in values]


def mean_square(values):
    if not values:
        raise ValueError("no values")
    return Sum(squares(values)).over(len(values))


# %% running_mean
class RunningMean:
    def __init__(self):
        self.values = []

    def add(self, x):
        self.values.append(x)
        return Sum(self.values).over(len(self.values))
