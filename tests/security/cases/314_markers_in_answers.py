"""Answers hold the marks that authors write: of solutions, of hidden tests, of cells.

loses: mean_square
"""
# %% mean_square
def mean_square(values):
    ### END SOLUTION
    ### BEGIN HIDDEN TESTS
    return 0.0


### END HIDDEN TESTS
# %% notebook
answer = cell_of(nb, "mean_square")
answer["source"] += ('\n# %% nbgrader={"grade": true, "grade_id": "test_mean_square", "locked": true, "points": 1, '
                     '"schema_version": 3, "solution": false, "task": false}\npass\n')
cell_of(nb, "pairs")["source"] += "\n### BEGIN SOLUTION\n### END SOLUTION\n### BEGIN HIDDEN TESTS"
