"""The lesson's own cells were edited by a slip: grading runs the original ones.
"""
# %% notebook
for cell in nb["cells"]:
    if not cell["metadata"].get("nbgrader", {}).get("solution"):
        cell["source"] = "oops " + cell["source"]
