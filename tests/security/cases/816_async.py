"""Coroutines, run to the end in a thread of their own.
"""
# %% mean_square
import asyncio
from concurrent.futures import ThreadPoolExecutor


async def square(value):
    await asyncio.sleep(0)
    return value * value


async def all_squares(values):
    return await asyncio.gather(*(square(value) for value in values))


def mean_square(values):
    if not values:
        raise ValueError("no values")
    with ThreadPoolExecutor(1) as pool:
        return sum(pool.submit(asyncio.run, all_squares(values)).result()) / len(values)
