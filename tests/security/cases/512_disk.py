"""Fills its folder and the temporary folders with 600 MB each.

may lose: mean_square
status: passed failed error memory killed
stock: unsafe, fills the disk
"""
# %% mean_square
import os
from contextlib import suppress


def mean_square(values):
    if not values:
        raise ValueError("none")
    for place in (".", "/tmp", "/dev/shm") if values == [3.0, 4.0] else ():
        name = os.path.join(place, __MARK__)
        with suppress(OSError):
            try:
                with open(name, "wb") as file:
                    for _ in range(75):
                        file.write(b"x" * (8 << 20))
            finally:
                os.unlink(name)
    return sum(v * v for v in values) / len(values)
