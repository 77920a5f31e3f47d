"""A file of a hundred terabytes that holds nothing.

may lose: mean_square
status: passed failed error killed
"""
# %% mean_square
from contextlib import suppress


def mean_square(values):
    if not values:
        raise ValueError("none")
    with suppress(OSError), open("hole", "wb") as file:
        file.truncate(100 << 40)
    return sum(v * v for v in values) / len(values)
