"""Objects that act where they are pickled, copied, printed or thrown away.

loses: mean_square unit_rows pairs
"""
# %% mean_square
class Bomb:
    def __reduce__(self):
        return exec, (f"open({__LOOT__!r}, 'w').write('unpickled')",)

    __reduce_ex__ = lambda self, version: self.__reduce__()


def mean_square(values):
    return Bomb()


# %% unit_rows
def unit_rows(x):
    x.bomb = Bomb()
    x.__dict__["__reduce_ex__"] = Bomb().__reduce_ex__
    return [Bomb(), x]


# %% pairs
class Fails(Exception):
    def __reduce__(self):
        return Bomb().__reduce__()


def pairs(words):
    raise Fails(Bomb())
