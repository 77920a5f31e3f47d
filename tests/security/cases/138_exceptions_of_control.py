"""Raises the exceptions that steer a program: KeyboardInterrupt, GeneratorExit, StopIteration, CancelledError.

loses: mean_square unit_rows pairs
"""
# %% mean_square
import asyncio


def mean_square(values):
    raise KeyboardInterrupt


# %% unit_rows
def unit_rows(x):
    raise StopIteration


# %% pairs
def pairs(words):
    raise asyncio.CancelledError if len(words) == 3 else GeneratorExit
