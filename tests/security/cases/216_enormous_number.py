"""An int of ten million bits, which Python refuses to write in decimal.

loses: n_parameters mean_square
"""
# %% n_parameters
n_parameters = 1 << 10_000_000

# %% mean_square
def mean_square(values):
    return -(1 << 10_000_000)
