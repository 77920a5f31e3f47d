"""Builtins that checks are made of are replaced: isinstance, type, all, any, abs, len, bool.

loses: mean_square
may lose: all
status: failed error killed timeout
"""
# %% mean_square
import builtins


def mean_square(values):
    builtins.isinstance = lambda *args: True
    builtins.all = builtins.bool = lambda *args: True
    builtins.any = lambda *args: False
    builtins.abs = lambda *args: 0.0
    return 0.0
