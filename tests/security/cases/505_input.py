"""Waits for a keyboard.

loses: mean_square
status: error failed timeout
"""
# %% mean_square
import sys


def mean_square(values):
    return float(input("How much is it? ") or sys.stdin.readline())
