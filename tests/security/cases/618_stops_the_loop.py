"""Stops and closes the event loop that the kernel runs in.

may lose: all
status: passed failed error killed timeout
"""
# %% mean_square
import asyncio
import gc


def mean_square(values):
    if not values:
        raise ValueError("none")
    for one in gc.get_objects():
        if isinstance(one, asyncio.AbstractEventLoop):
            one.stop()
    return sum(v * v for v in values) / len(values)
