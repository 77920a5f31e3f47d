"""The notebook of another lesson.

loses: all
status: failed error
"""
# %% notebook
for cell in nb["cells"]:
    cell["source"], cell["metadata"], cell["id"] = "print('unit 2')", {}, "u" + cell["id"]
