"""Grade ids change places: the test's id is on a harmless cell, the answer's on the test.

loses: mean_square
"""
# %% mean_square
def mean_square(values):
    return 0.0


# %% notebook
answer, test = cell_of(nb, "mean_square"), cell_of(nb, "test_mean_square")
answer["metadata"]["nbgrader"]["grade_id"], test["metadata"]["nbgrader"]["grade_id"] = "test_mean_square", "mean_square"
test["source"] = "mean_square = lambda values: 12.5"
