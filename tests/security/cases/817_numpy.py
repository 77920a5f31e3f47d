"""Works in numpy and converts.
"""
# %% unit_rows
import numpy as np


def unit_rows(x):
    values = x.numpy()
    return torch.from_numpy(values / np.linalg.norm(values, axis=1, keepdims=True))


# %% mean_square
import numpy as np


def mean_square(values):
    if len(values) == 0:
        raise ValueError("no values")
    return float(np.mean(np.square(values)))
