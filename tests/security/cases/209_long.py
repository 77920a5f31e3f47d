"""A list of three million pairs, and a string of 60 MB.

loses: pairs mean_square
status: failed error killed memory timeout
"""
# %% pairs
def pairs(words):
    return [("a", "b")] * 3_000_000


# %% mean_square
def mean_square(values):
    return "a" * 60_000_000
