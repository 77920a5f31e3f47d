"""Text that cannot be written as UTF-8, with NUL bytes and terminal commands.

loses: pairs mean_square
"""
# %% pairs
def pairs(words):
    return [("\ud800\udfff\ud800", "\0\x1b[2J\x1b]0;owned\x07")]


# %% mean_square
def mean_square(values):
    raise RuntimeError("\ud800 \0 \x1b[2J")
