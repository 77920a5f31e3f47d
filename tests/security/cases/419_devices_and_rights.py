"""Makes a device file and a file that runs as another user, and takes rights it should not have.
"""
# %% mean_square
import os
from contextlib import suppress


def mean_square(values):
    if not values:
        raise ValueError("none")
    with suppress(OSError):
        os.mknod("null", 0o600 | 0o020000, os.makedev(1, 3))
        os.unlink("null")
        raise RuntimeError("REACHED a device")
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    if int(lines["CapEff"], 16) or int(lines["NoNewPrivs"]) != 1:
        raise RuntimeError("REACHED rights of the system")
    return sum(v * v for v in values) / len(values)
