"""Warnings are errors from here on, and numpy's too.
"""
# %% mean_square
import warnings

import numpy

warnings.simplefilter("error")
numpy.seterr(all="raise")


def mean_square(values):
    if not values:
        raise ValueError("none")
    return sum(v * v for v in values) / len(values)
