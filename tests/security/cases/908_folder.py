"""A folder with the name of the notebook.

loses: all
status: unreadable missing
"""
# %% notebook
(folder / "01_wall.ipynb").mkdir()
done = True
