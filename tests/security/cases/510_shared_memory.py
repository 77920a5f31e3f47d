"""Takes three gigabytes of shared anonymous memory, which limits of a process's data do not see.

loses: unit_rows
status: memory killed
stock: unsafe, three gigabytes
"""
# %% unit_rows
import mmap
import time


def unit_rows(x):
    taken = []
    for _ in range(24):
        block = mmap.mmap(-1, 128 << 20)
        block.write(b"x" * (128 << 20))
        taken.append(block)
        time.sleep(0.05)
    raise SystemExit("three gigabytes were taken")
