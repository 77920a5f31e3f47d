"""Shares its work among threads.
"""
# %% mean_square
import threading
from concurrent.futures import ThreadPoolExecutor

lock = threading.Lock()


def mean_square(values):
    if not values:
        raise ValueError("no values")
    total = 0.0

    def add(value):
        nonlocal total
        with lock:
            total += value * value

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, values))
    return total / len(values)
