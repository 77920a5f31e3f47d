"""Forks in a call, and both processes return: one right, one wrong.

may lose: all
status: passed failed error killed timeout tampered
"""
# %% mean_square
import os


def mean_square(values):
    if not values:
        raise ValueError("none")
    if values == [3.0, 4.0] and os.fork() == 0:
        return 0.0
    return sum(v * v for v in values) / len(values)
