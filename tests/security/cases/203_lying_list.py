"""A list subclass that lies about its length, its entries and what it equals.

loses: pairs running_mean
"""
# %% pairs
class Liar(list):
    __class__ = list

    def __len__(self):
        return 2

    def __iter__(self):
        return iter([("a", "b"), ("b", "c")])

    def __getitem__(self, place):
        return ("a", "b")

    def __eq__(self, other):
        return True

    def __reduce__(self):
        return list, ([("a", "b"), ("b", "c")],)

    __hash__ = None


def pairs(words):
    return Liar()


# %% running_mean
class AnyFloat(float):
    def __eq__(self, other):
        return True

    def __float__(self):
        return 551.5

    __hash__ = float.__hash__


class RunningMean:
    def add(self, x):
        return AnyFloat(0.0)
