"""Cells, sources and metadata of the wrong types, between which the answers are whole.
"""
# %% notebook
nb["cells"][1:1] = [None, 7, "cell", [], {}, {"cell_type": 3}, {"source": {"a": 1}}, {"cell_type": "code", "source": 5},
                    {"metadata": [], "source": [1, "x", None], "cell_type": "code"},
                    {"cell_type": "code", "metadata": {"nbgrader": "yes", "tags": 4}, "source": "1 / 0"},
                    {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": ["pairs"]}}, "source": "pairs = None"}]
nb["metadata"], nb["nbformat"] = [1], "four"
