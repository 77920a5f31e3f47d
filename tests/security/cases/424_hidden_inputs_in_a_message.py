"""Raises errors that carry the inputs of hidden tests, for the student to read.

loses: mean_square pairs
"""
# %% mean_square
def mean_square(values):
    if values == [3.0, 4.0]:
        return 12.5
    raise ValueError(repr(values))


# %% pairs
def pairs(words):
    if words == ["a", "b", "c"]:
        return [("a", "b"), ("b", "c")]
    raise NameError("name 'zw" + f"{words}' is not defined")
