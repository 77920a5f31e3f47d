"""A function compiled by torch.jit, and one mapped by torch.vmap.
"""
# %% unit_rows
def unit_row(row):
    return row / row.norm()


def unit_rows(x):
    return torch.vmap(unit_row)(x)


# %% clip_
import warnings

warnings.simplefilter("ignore")


@torch.jit.script
def limited(x: torch.Tensor, limit: float) -> torch.Tensor:
    return x.clamp(-limit, limit)


def clip_(x, limit):
    x.copy_(limited(x, limit))
