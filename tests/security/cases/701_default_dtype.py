"""Changes torch's default dtype for everything after it.
"""
# %% mean_square
def mean_square(values):
    torch.set_default_dtype(torch.float64)
    if not values:
        raise ValueError("none")
    return sum(v * v for v in values) / len(values)
