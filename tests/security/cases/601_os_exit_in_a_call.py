"""Ends the process in a call: only its own exercise is lost.

loses: unit_rows
status: killed
"""
# %% unit_rows
import os


def unit_rows(x):
    os._exit(0)
