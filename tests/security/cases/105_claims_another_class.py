"""A float subclass that claims to be float itself and to equal everything.

loses: mean_square
"""
# %% mean_square
class Sly(float):
    __class__ = float

    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0.0

    __rsub__ = __abs__ = lambda self, *_: 0.0
    __le__ = __lt__ = __ge__ = __gt__ = __eq__
    __hash__ = float.__hash__


def mean_square(values):
    if not values:
        raise ValueError
    return Sly(1.0)
