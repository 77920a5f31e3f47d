"""Handlers for the end of the process that write, print and wait for a minute.
"""
# %% mean_square
import atexit
import signal
import time


def linger(*_):
    try:
        with open(__LOOT__, "w") as file:
            file.write("at the end")
    except OSError:
        pass
    time.sleep(60)


atexit.register(linger)
signal.signal(signal.SIGTERM, linger)
signal.signal(signal.SIGHUP, linger)


def mean_square(values):
    if not values:
        raise ValueError("none")
    return sum(v * v for v in values) / len(values)
