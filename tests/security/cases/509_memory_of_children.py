"""Four children take 700 MB each.

loses: mean_square
status: memory killed
stock: unsafe, three gigabytes
"""
# %% mean_square
import os
import time


def mean_square(values):
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                taken = []
                for _ in range(11):
                    taken.append(bytearray(b"x" * (64 << 20)))
                    time.sleep(0.05)
                time.sleep(2)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    if any(os.waitpid(child, 0)[1] for child in children):
        raise MemoryError
    raise SystemExit("three gigabytes were taken")
