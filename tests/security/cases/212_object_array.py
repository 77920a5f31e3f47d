"""numpy arrays of Python objects that equal everything, and structured ones.

loses: unit_rows mean_square
"""
# %% unit_rows
import numpy


class Same:
    __eq__ = __bool__ = lambda self, *_: True
    __hash__ = object.__hash__
    __sub__ = __rsub__ = __abs__ = lambda self, *_: 0.0


def unit_rows(x):
    return numpy.full(tuple(x.shape), Same(), dtype=object)


# %% mean_square
import numpy


def mean_square(values):
    return numpy.zeros((), dtype=[("a", "f8"), ("b", "O")])
