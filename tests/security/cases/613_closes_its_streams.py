"""Closes descriptors 0 to 2 and the stream objects.

may lose: mean_square
status: passed failed error killed
"""
# %% mean_square
import os
import sys


def mean_square(values):
    if not values:
        raise ValueError("none")
    if values == [3.0, 4.0]:
        for fd in range(3):
            os.close(fd)
    return sum(v * v for v in values) / len(values)
