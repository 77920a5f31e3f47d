"""Leaves by sys.exit, quit, exit and by asking the kernel to stop.

loses: mean_square unit_rows pairs clip_
status: error killed failed
"""
# %% mean_square
import sys


def mean_square(values):
    sys.exit(0)


# %% unit_rows
def unit_rows(x):
    quit()


# %% pairs
def pairs(words):
    exit()


# %% clip_
def clip_(x, limit):
    get_ipython().ask_exit()
    get_ipython().kernel.do_shutdown(False)
    raise SystemExit
