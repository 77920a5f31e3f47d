"""Reads the gradebook.
"""
# %% running_mean
from contextlib import suppress
from pathlib import Path


class RunningMean:
    def __init__(self):
        with suppress(OSError):
            if Path(__OUT__, "gradebook.db").read_bytes():
                raise RuntimeError("REACHED the gradebook")
        self.values = []

    def add(self, x):
        self.values.append(x)
        return sum(self.values) / len(self.values)
