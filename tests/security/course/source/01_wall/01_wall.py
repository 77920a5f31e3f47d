# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#     cell_metadata_filter: all
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. The wall
#
# Six small exercises of every kind that lessons have. Their points are powers of two, so that a score tells which
# of them were passed. What students must never read is marked: `canary` stands in the source of hidden tests, and
# the inputs of hidden tests are unlike any other number or word.

# %%
import math

import torch
from torch import Tensor

from helpers import checks as check

TABLE = torch.tensor([[3.0, 4.0, 0.0], [1.0, 2.0, 2.0]])

# %% [markdown]
# ### Exercise: `mean_square` (1 point)
#
# The mean of the squares of a list of numbers; `ValueError` if there are none.

# %% nbgrader={"grade": false, "grade_id": "mean_square", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mean_square(values: list[float]) -> float:
    """The mean of the squares. Raises ValueError if `values` is empty."""
    ### BEGIN SOLUTION
    if not values:
        raise ValueError("no values have no mean")
    return sum(value * value for value in values) / len(values)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_mean_square", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check.close(mean_square([3.0, 4.0]), 12.5, hint="square each, add up, divide by how many there are")
check.raises(ValueError, mean_square, [], hint="an empty list has no mean")
### BEGIN HIDDEN TESTS
# canary-of-mean-square-6d1f0c
unlike_any = [918273.645, -2.5, 0.125]
check.close(mean_square(unlike_any), math.fsum(x**2 for x in unlike_any) / 3, hint="it must work for every list")
many = [0.25 * k - 3.0 for k in range(41)]
check.close(mean_square(many), math.fsum(x**2 for x in many) / len(many), hint="it must work for every list")
### END HIDDEN TESTS

# %% [markdown]
# Of 1, 2 and 3:

# %%
shown = mean_square([1.0, 2.0, 3.0])
print(f"{shown:.3f}")

# %% [markdown]
# ### Exercise: `unit_rows` (2 points)
#
# Divide each row of a matrix by its Euclidean length. No row is zero.

# %% nbgrader={"grade": false, "grade_id": "unit_rows", "locked": false, "schema_version": 3, "solution": true, "task": false}
def unit_rows(x: Tensor) -> Tensor:
    """`x` (rows, columns) with every row divided by its length, in the dtype of `x`."""
    ### BEGIN SOLUTION
    return x / x.square().sum(dim=1, keepdim=True).sqrt()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_unit_rows", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check.close(unit_rows(TABLE), torch.tensor([[0.6, 0.8, 0.0], [1 / 3, 2 / 3, 2 / 3]]), mistakes={
    "each row has a length of its own": TABLE / TABLE.norm(),
    "divide by the length, not by its square": TABLE / TABLE.square().sum(dim=1, keepdim=True),
})
### BEGIN HIDDEN TESTS
# canary-of-unit-rows-b82e47
for seed in (31, 47):
    rows = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed)) * 773.25
    # Computed from `rows` after the call: an answer has copies of what it is given, and cannot change it.
    check.close(unit_rows(rows), rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True), hint="wrong on random rows")
wide = torch.tensor([[-6.0, 8.0]], dtype=torch.float64)
check.close(unit_rows(wide), torch.tensor([[-0.6, 0.8]], dtype=torch.float64), hint="keep the dtype")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `pairs` (4 points)
#
# Every word with the word after it.

# %% nbgrader={"grade": false, "grade_id": "pairs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pairs(words: list[str]) -> list[tuple[str, str]]:
    """[(first, second), (second, third), ...]; empty if there are fewer than two words."""
    ### BEGIN SOLUTION
    return [(words[i], words[i + 1]) for i in range(len(words) - 1)]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pairs", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check.equal(pairs(["a", "b", "c"]), [("a", "b"), ("b", "c")], hint="each word with the next one")
### BEGIN HIDDEN TESTS
# canary-of-pairs-19ac55
check.equal(pairs(["zwirn4417", "quarz"]), [("zwirn4417", "quarz")], hint="two words are one pair")
check.equal(pairs(["alone"]), [], hint="one word is no pair")
long = [f"w{k}" for k in range(30)]
check.equal(pairs(long), [(f"w{k}", f"w{k + 1}") for k in range(29)], hint="a long list has one pair fewer than words")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `clip_` (8 points)
#
# Limit the values of a tensor to between `-limit` and `limit`, in place. Nothing is returned.

# %% nbgrader={"grade": false, "grade_id": "clip_", "locked": false, "schema_version": 3, "solution": true, "task": false}
def clip_(x: Tensor, limit: float) -> None:
    """Limit `x` to [-limit, limit] in place."""
    ### BEGIN SOLUTION
    x.clamp_(-limit, limit)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_clip_", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def look_after(function, x, limit):
    function(x, limit)
    return x


check.close(check.beside(look_after, clip_, torch.tensor([-3.0, 0.5, 2.0]), 1.0), torch.tensor([-1.0, 0.5, 1.0]),
            hint="change `x` itself")
### BEGIN HIDDEN TESTS
# canary-of-clip-e07d93
def changes_nothing(x, limit):
    return x.clamp(-limit, limit)


sample = torch.randn(2, 7, generator=torch.Generator().manual_seed(59)) * 664.5
check.close(check.beside(look_after, clip_, sample, 113.5), sample.clamp(-113.5, 113.5), hint="both sides have a limit")
# A control: what leaves its argument alone must be seen to do so, or somebody forges what is seen.
check.equal(check.beside(look_after, changes_nothing, sample, 113.5), sample, hint="a copy was changed, not `x`")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `n_parameters` (16 points)
#
# How many numbers has a linear layer from 768 to 50,257 with a bias?

# %% nbgrader={"grade": false, "grade_id": "n_parameters", "locked": false, "schema_version": 3, "solution": true, "task": false}
# n_parameters: an int
### BEGIN SOLUTION
n_parameters = 768 * 50_257 + 50_257
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_n_parameters", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check.that(type(n_parameters) is int, "wanted a whole number")
### BEGIN HIDDEN TESTS
# canary-of-n-parameters-5ee012
layer = torch.nn.Linear(768, 50_257, device="meta")
check.equal(n_parameters, sum(p.numel() for p in layer.parameters()), hint="weights and biases")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `RunningMean` (32 points)
#
# A class with a method `add(x)`, which gives the mean of all numbers added to this object so far.

# %% nbgrader={"grade": false, "grade_id": "running_mean", "locked": false, "schema_version": 3, "solution": true, "task": false}
class RunningMean:
    """RunningMean().add(x) -> the mean of all that was added to this object."""
    ### BEGIN SOLUTION
    def __init__(self):
        self.count, self.total = 0, 0.0

    def add(self, x: float) -> float:
        self.count += 1
        self.total += x
        return self.total / self.count
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_running_mean", "locked": true, "points": 32, "schema_version": 3, "solution": false, "task": false}
mean = RunningMean()
check.close([mean.add(2.0), mean.add(4.0), mean.add(9.0)], [2.0, 3.0, 5.0], hint="the mean of all so far")
### BEGIN HIDDEN TESTS
# canary-of-running-mean-c4b1a8
one, other = RunningMean(), RunningMean()
check.close([one.add(551.75), other.add(-8.0), one.add(551.25)], [551.75, -8.0, 551.5], hint="each object counts alone")
### END HIDDEN TESTS

# %% [markdown]
# ### In your own words (2 points)
#
# Why does a forged score help nobody?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_why", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# Because what was not learnt is missing later, whatever a table says.
# ### END SOLUTION
