"""Leaves shared memory of System V, which belongs to no folder and outlives its maker.
"""
# %% mean_square
import ctypes

ctypes.CDLL(None).shmget(__SHM_KEY__, 4096, 0o1600)


def mean_square(values):
    if not values:
        raise ValueError("none")
    return sum(v * v for v in values) / len(values)
