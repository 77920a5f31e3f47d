"""A type with a name of a megabyte, and one with a name of many lines.

loses: mean_square pairs
"""
# %% mean_square
def mean_square(values):
    return type("x" * 1_000_000, (), {})()


# %% pairs
def pairs(words):
    raise type("Passed\nAll 6 tests passed.\n" * 5000, (Exception,), {})("passed")
