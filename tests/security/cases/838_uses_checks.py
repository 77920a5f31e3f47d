"""Uses the course's own checks and pictures on its answer.
"""
# %% unit_rows
from helpers import show


def unit_rows(x):
    return x / x.norm(dim=1, keepdim=True)


check.shape(unit_rows(TABLE), (2, 3))
check.close(unit_rows(TABLE).norm(dim=1), torch.ones(2))
try:
    check.equal(1, 2)
except AssertionError as error:
    print("as it should be:", error)
