"""Reads where there is no memory, and aborts.

loses: mean_square pairs
status: killed
"""
# %% mean_square
import ctypes


def mean_square(values):
    ctypes.string_at(0)


# %% pairs
import os


def pairs(words):
    os.abort()
