"""Starts a thousand threads.

may lose: mean_square
status: passed failed error killed timeout
stock: unsafe, a thousand threads
"""
# %% mean_square
import threading

done = threading.Event()


def mean_square(values):
    if not values:
        raise ValueError("none")
    if values == [3.0, 4.0]:
        threads = [threading.Thread(target=done.wait, args=(2,), daemon=True) for _ in range(1000)]
        for thread in threads:
            thread.start()
        done.set()
    return sum(v * v for v in values) / len(values)
