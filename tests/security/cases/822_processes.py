"""Shares its work among two processes.
"""
# %% mean_square
import multiprocessing


def square(value):
    return value * value


def mean_square(values):
    if not values:
        raise ValueError("no values")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.map(square, values)) / len(values)
