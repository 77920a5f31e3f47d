"""Gives its argument back, whole or in part.

loses: mean_square unit_rows pairs
"""
# %% mean_square
def mean_square(values):
    return values


# %% unit_rows
def unit_rows(x):
    return x


# %% pairs
def pairs(words):
    return words
