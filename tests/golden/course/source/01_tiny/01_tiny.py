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
# # 1. Tiny: the mean
#
# **You will be able to** average a list of numbers. **Needs** nothing. **Takes** 5 minutes, on any machine.
# **Points:** 4.

# %%
from helpers import checks as check

heights = [1.0, 2.0, 6.0]

# %% [markdown]
# ## One number for many
#
# The mean of $n$ numbers is what each would be if all were equal:
#
# $$\bar x = \frac{1}{n} \sum_i x_i \qquad \text{(known to the Pythagoreans)}$$
#
# ![Two heaps, one small and one large](two_heaps.svg)
#
# **Predict first.** One of four numbers grows by 1. By how much does the mean grow?
#
# <details><summary>Answer</summary>
#
# By a quarter: the sum grows by 1 and is divided by 4.
# </details>
#
# ### Exercise: `mean` (3 points, 5 minutes)
#
# Write `mean(values)`: the sum of a list of floats, divided by their number. An empty list has no mean: raise
# `ValueError`.
#
# <details><summary>Hint 1</summary>What is the sum of the list? How many numbers are there?</details>
# <details><summary>Hint 2</summary><code>sum</code> and <code>len</code> know both.</details>
# <details><summary>Hint 3</summary>Divide the one by the other, after a look at the length.</details>

# %% nbgrader={"grade": false, "grade_id": "mean", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mean(values: list[float]) -> float:
    """The arithmetic mean of `values`; raises ValueError where there are none."""
    ### BEGIN SOLUTION
    if not values:
        raise ValueError("an empty list has no mean")
    return sum(values) / len(values)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_mean", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
pair = [1.0, 2.0]
check.close(mean(pair), 1.5, mistakes={
    "that is the sum: divide it by the number of values": 3.0,
    "dividing with // loses the fraction": 1.0,
})
### BEGIN HIDDEN TESTS
check.close(mean([2.5, -2.5, 3.0]), 1.0, hint="negative numbers count too")
check.raises(ValueError, mean, [])
### END HIDDEN TESTS

# %%
print(f"The mean height is {mean(heights)}.")

# %% [markdown]
# ### In your own words (1 point)
#
# Why does one enormous number move the mean, but not the median?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_median", "locked": false, "points": 1, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# The mean depends on the size of every number, the median only on their order.
# ### END SOLUTION

# %% [markdown]
# ## Recap
#
# Covers: A5
