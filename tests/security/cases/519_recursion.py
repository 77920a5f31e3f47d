"""Recursion without end, in Python and in C, with the limit taken away.

loses: mean_square pairs
status: failed error killed memory
"""
# %% mean_square
def mean_square(values):
    return mean_square(values)


# %% pairs
import sys


def pairs(words):
    sys.setrecursionlimit(10**8)

    class Deep:
        def __repr__(self):
            return repr(self)

    return [(repr(Deep()), "")]
