"""A notebook without cells.

loses: all
status: failed error
"""
# %% notebook
nb["cells"] = []
