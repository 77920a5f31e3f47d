"""Looks at what its open descriptors are of, and reads through them.
"""
# %% running_mean
import os
from contextlib import suppress


class RunningMean:
    def __init__(self):
        for fd in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{fd}")
                if any(part in target for part in (__OUT__, __SUBMISSIONS__, __SOURCE__, "gradebook")):
                    raise RuntimeError("REACHED a file of the grader's through an open descriptor")
        self.values = []

    def add(self, x):
        self.values.append(x)
        return sum(self.values) / len(self.values)
