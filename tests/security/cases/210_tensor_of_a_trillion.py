"""A tensor of a trillion values over one stored number, which copying would make real.

loses: unit_rows
status: failed error memory killed
stock: unsafe, comparing it may take all memory
"""
# %% unit_rows
def unit_rows(x):
    return torch.zeros(1).expand(10**6, 10**6)
