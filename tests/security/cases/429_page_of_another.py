"""Writes into the folders of grading's results, of its own and of a neighbour's.
"""
# %% mean_square
import os
from contextlib import suppress


def mean_square(values):
    if not values:
        raise ValueError("none")
    for part in ("feedback", "autograded", "results", "source", ""):
        with suppress(OSError):
            os.mkdir(os.path.join(__OUT__, part, "wallmark"))
            os.rmdir(os.path.join(__OUT__, part, "wallmark"))
            raise RuntimeError("REACHED the results")
    return sum(v * v for v in values) / len(values)
