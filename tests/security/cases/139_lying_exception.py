"""Raises ValueErrors that are none, and an exception whose every attribute is a trap.

loses: mean_square
status: failed error killed
"""
# %% mean_square
class Trap(Exception):
    __class__ = ValueError

    def __str__(self):
        raise SystemExit(0)

    __repr__ = __getattribute__ = __reduce__ = __str__


def mean_square(values):
    if not values:
        raise Trap
    return sum(v * v for v in values) / len(values)
