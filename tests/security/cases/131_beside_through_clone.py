"""Copies of tensors are clipped copies, so that what is looked at beside the answer seems changed in place.

loses: clip_
may lose: unit_rows
"""
# %% clip_
def clip_(x, limit):
    global LIMIT
    LIMIT = limit


LIMIT = 1e30
for name in ("clone", "detach", "cpu", "contiguous", "numpy"):
    def patched(self, *args, __kept=getattr(torch.Tensor, name), **kwargs):
        if self.is_floating_point():
            with torch.no_grad():
                torch.Tensor.clamp_(self.data, -LIMIT, LIMIT)
        return __kept(self, *args, **kwargs)

    setattr(torch.Tensor, name, patched)
