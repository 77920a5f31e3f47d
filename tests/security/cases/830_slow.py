"""Takes three seconds.
"""
# %% mean_square
import time


def mean_square(values):
    if not values:
        raise ValueError("no values")
    if values == [3.0, 4.0]:
        time.sleep(3)
    return sum(value**2 for value in values) / len(values)
