"""Returns tensors of inference mode.
"""
# %% unit_rows
@torch.inference_mode()
def unit_rows(x):
    return x / x.norm(dim=1, keepdim=True)
