"""Empties sys.modules and the table of builtins.

may lose: all
status: passed failed error killed timeout
"""
# %% mean_square
import builtins
import sys


def mean_square(values):
    if values == [3.0, 4.0]:
        sys.modules.clear()
        for name in ("len", "isinstance", "print", "open", "__import__", "getattr", "range"):
            vars(builtins).pop(name)
    return sum(v * v for v in values) / 2
