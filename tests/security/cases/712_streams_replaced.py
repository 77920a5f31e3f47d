"""Replaces the streams by objects that raise errors, and by nothing.

may lose: all
status: passed failed error killed
"""
# %% mean_square
import sys


class Broken:
    def __getattr__(self, name):
        raise OSError("broken")


def mean_square(values):
    if not values:
        raise ValueError("none")
    sys.stdout, sys.stderr, sys.stdin = Broken(), None, Broken()
    return sum(v * v for v in values) / len(values)
