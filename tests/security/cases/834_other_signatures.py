"""Other names of parameters, defaults, and arguments that are only optional.
"""
# %% mean_square
def mean_square(numbers, *rest, power=2, **options):
    if not numbers:
        raise ValueError("no values")
    return sum(number**power for number in numbers) / len(numbers)


# %% unit_rows
def unit_rows(matrix, /, eps: float = 0.0):
    return matrix / (matrix.norm(dim=1, keepdim=True) + eps)


# %% running_mean
class RunningMean:
    def __init__(self, start=0.0, *, count=0):
        self.total, self.count = start, count

    def add(self, number=1.0):
        self.total, self.count = self.total + number, self.count + 1
        return self.total / self.count
