"""A list that holds itself, and a dict and a tuple that do.

loses: pairs mean_square running_mean
"""
# %% pairs
def pairs(words):
    found = []
    found.append(found)
    return found


# %% mean_square
def mean_square(values):
    found = {}
    found["again"] = [found]
    return found


# %% running_mean
class RunningMean:
    def add(self, x):
        inner = []
        inner.append((inner,))
        return (inner,)
