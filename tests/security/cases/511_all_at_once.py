"""Asks for more memory than any machine has, in torch and in Python.

loses: unit_rows mean_square
status: memory error
"""
# %% unit_rows
def unit_rows(x):
    return torch.empty(10**14)


# %% mean_square
def mean_square(values):
    return len(bytearray(10**16))
