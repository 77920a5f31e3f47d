"""Closes every descriptor, the one to the examiner included.

loses: mean_square
may lose: all
status: killed error failed timeout
"""
# %% mean_square
import os


def mean_square(values):
    os.closerange(0, 4096)
    return 12.5
