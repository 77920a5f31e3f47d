"""A symbolic link to a neighbour's work.

loses: all
status: unreadable missing
"""
# %% notebook
(folder / "01_wall.ipynb").symlink_to("../../000_neighbour/01_wall/01_wall.ipynb")
done = True
