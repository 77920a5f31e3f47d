"""A tool has dropped the metadata of every cell and their ids.
"""
# %% notebook
for cell in nb["cells"]:
    cell["metadata"] = {}
    del cell["id"]
nb["metadata"], nb["nbformat_minor"] = {}, 4
