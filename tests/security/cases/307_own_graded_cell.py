"""Cells of the student's own that claim to be tests with points, and hand grades.

loses: pairs
"""
# %% pairs
def pairs(words):
    return []


# %% notebook
for number, kind in enumerate(("code", "markdown")):
    nb["cells"].append({"cell_type": kind, "id": f"mine{number}", "source": "1000.0", "metadata": {"nbgrader": {
        "grade": True, "grade_id": f"test_mine{number}", "locked": True, "points": 1000, "schema_version": 3,
        "solution": kind == "markdown", "task": False}},
        **({"outputs": [], "execution_count": None} if kind == "code" else {})})
