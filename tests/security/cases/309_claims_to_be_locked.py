"""A read-only cell that the lesson never had takes the checks away.

loses: mean_square
"""
# %% mean_square
def mean_square(values):
    return 0.0


# %% notebook
nb["cells"].insert(2, {"cell_type": "code", "id": "setup", "outputs": [], "execution_count": None,
                       "source": "check.close = check.raises = lambda *args, **kwargs: None", "metadata": {"nbgrader": {
                           "grade": False, "grade_id": "setup", "locked": True, "schema_version": 3,
                           "solution": False, "task": False}}})
