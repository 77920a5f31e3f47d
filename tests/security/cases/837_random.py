"""Uses randomness and seeds without harm.
"""
# %% unit_rows
import random

import numpy as np

random.seed(1)
np.random.seed(1)
torch.manual_seed(1)


def unit_rows(x):
    noise = torch.randn(x.shape, dtype=x.dtype) * 0 + random.random() * 0
    return (x + noise) / x.norm(dim=1, keepdim=True)
