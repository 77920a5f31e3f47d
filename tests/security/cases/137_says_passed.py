"""Raises what stands for success elsewhere: SystemExit(0), a skipped test, an exception named Passed.

loses: mean_square unit_rows pairs n_parameters
"""
# %% mean_square
import unittest


class Passed(Exception):
    status, points, passed = "passed", 1, True


def mean_square(values):
    raise Passed("passed: 1 of 1 point")


# %% unit_rows
def unit_rows(x):
    raise unittest.SkipTest("not today")


# %% pairs
def pairs(words):
    raise SystemExit(0)


# %% n_parameters
n_parameters = Passed()
