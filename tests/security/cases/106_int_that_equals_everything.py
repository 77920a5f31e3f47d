"""The plain value is an int subclass that equals everything, and its type claims to be int.

loses: n_parameters
"""
# %% n_parameters
class Meta(type):
    def __eq__(cls, other):
        return True

    def __instancecheck__(cls, one):
        return True

    __hash__ = type.__hash__


class Any(int, metaclass=Meta):
    __class__ = int

    def __eq__(self, other):
        return True

    __ne__ = lambda self, other: False
    __hash__ = int.__hash__


n_parameters = Any(0)
