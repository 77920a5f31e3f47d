"""Recursion, generators, walrus and match.
"""
# %% pairs
def pairs(words):
    match words:
        case [first, second, *rest]:
            return [(first, second), *pairs([second, *rest])]
        case _:
            return []


# %% mean_square
def squares(values):
    for value in values:
        yield value * value


def mean_square(values):
    if (count := len(values)) == 0:
        raise ValueError("no values")
    return sum(squares(values)) / count
