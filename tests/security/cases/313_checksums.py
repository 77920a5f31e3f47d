"""Checksums, schema versions and flags of nbgrader hold nonsense.

loses: pairs
"""
# %% pairs
def pairs(words):
    return []


# %% notebook
for number, cell in enumerate(nb["cells"]):
    meta = cell["metadata"].get("nbgrader")
    if meta:
        meta |= {"checksum": "0" * 32, "schema_version": [3, "3", 99, None, {}][number % 5], "task": True,
                 "cell_type": "markdown", "points": [None, "many", -5, 1e308, [1]][number % 5]}
nb["metadata"]["nbgrader"] = {"grade": True, "points": 1000}
