"""Starts three hundred processes.

may lose: mean_square
status: passed failed error killed timeout
stock: unsafe, three hundred processes
"""
# %% mean_square
import subprocess
import time


def mean_square(values):
    if not values:
        raise ValueError("none")
    started = []
    try:
        for _ in range(300 if values == [3.0, 4.0] else 0):
            started.append(subprocess.Popen(["sleep", "4"]))
    finally:
        for one in started:
            one.kill()
            one.wait()
    return sum(v * v for v in values) / len(values)
