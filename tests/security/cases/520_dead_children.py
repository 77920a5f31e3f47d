"""Leaves two hundred dead children unburied.

may lose: mean_square
status: passed failed error killed timeout
stock: unsafe, hundreds of processes
"""
# %% mean_square
import os


def mean_square(values):
    if not values:
        raise ValueError("none")
    if values == [3.0, 4.0]:
        for _ in range(200):
            try:
                if os.fork() == 0:
                    os._exit(0)
            except OSError:
                break
    return sum(v * v for v in values) / len(values)
