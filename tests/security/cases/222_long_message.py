"""Raises an error with a message of 30 MB.

loses: mean_square
status: failed error killed
"""
# %% mean_square
def mean_square(values):
    raise RuntimeError("long " * 6_000_000)
