"""Tensors without plain values: meta, sparse, quantized, of a shape that overflows.

loses: unit_rows running_mean mean_square
"""
# %% unit_rows
def unit_rows(x):
    if x.shape == (2, 3):
        return torch.empty(2, 3, device="meta")
    return x.to_sparse()


# %% running_mean
class RunningMean:
    def add(self, x):
        return torch.quantize_per_tensor(torch.tensor([x]), 0.1, 0, torch.qint8)


# %% mean_square
def mean_square(values):
    return torch.empty(0, 2**40)
