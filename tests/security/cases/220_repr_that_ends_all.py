"""Returns objects whose text ends the process or never ends.

loses: mean_square pairs
status: failed error killed timeout
"""
# %% mean_square
import os


class Last:
    def __repr__(self):
        os._exit(1)

    __str__ = __format__ = __len__ = __repr__


def mean_square(values):
    return Last()


# %% pairs
def pairs(words):
    return [Last()]
