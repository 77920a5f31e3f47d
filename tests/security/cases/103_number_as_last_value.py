"""The answer cells end in numbers, and print numbers.

loses: mean_square
"""
# %% mean_square
def mean_square(values):
    print(1.0)
    display(1.0)
    return 1.0


1.0
