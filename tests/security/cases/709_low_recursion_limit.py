"""Allows itself hardly any recursion.

may lose: all
status: passed failed error killed timeout
"""
# %% mean_square
import sys


def mean_square(values):
    if not values:
        raise ValueError("none")
    sys.setrecursionlimit(60)
    return sum(v * v for v in values) / len(values)
