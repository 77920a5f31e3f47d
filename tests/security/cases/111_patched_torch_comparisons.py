"""torch's comparisons are replaced by functions that say yes.

loses: unit_rows
may lose: clip_
"""
# %% unit_rows
def yes(*args, **kwargs):
    return torch.ones((), dtype=torch.bool)


torch.isclose = torch.Tensor.isclose = yes
torch.allclose = torch.equal = torch.Tensor.allclose = torch.Tensor.equal = lambda *args, **kwargs: True
torch.Tensor.__ne__ = lambda self, other: torch.zeros((), dtype=torch.bool)
torch.testing.assert_close = lambda *args, **kwargs: None


def unit_rows(x):
    return torch.zeros_like(x)
