"""Tests claim to be answers, answers claim to be tests.

loses: mean_square
"""
# %% mean_square
def mean_square(values):
    return 0.0


# %% notebook
for cell in nb["cells"]:
    meta = cell["metadata"].get("nbgrader")
    if meta and cell["cell_type"] == "code":
        if meta["grade"]:
            cell["source"] = "pass"
        meta["grade"], meta["solution"], meta["locked"] = meta["solution"], meta["grade"], not meta["locked"]
