"""Warns on stderr, which stock nbgrader takes for an error.
"""
# %% mean_square
import sys
import warnings


def mean_square(values):
    if not values:
        raise ValueError("no values")
    warnings.warn("this is slow")
    print("this too", file=sys.stderr)
    return sum(value**2 for value in values) / len(values)
