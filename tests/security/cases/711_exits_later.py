"""Asks faulthandler to end the process in a second and a half.

may lose: all
status: passed failed error killed
"""
# %% mean_square
import faulthandler
import time

faulthandler.dump_traceback_later(1.5, exit=True)


def mean_square(values):
    if not values:
        raise ValueError("none")
    if values == [3.0, 4.0]:
        time.sleep(1)
    return sum(v * v for v in values) / len(values)
