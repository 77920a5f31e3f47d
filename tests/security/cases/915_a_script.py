"""A Python script instead of a notebook.

loses: all
status: missing
"""
# %% notebook
(folder / "01_wall.py").write_text("def mean_square(values):\n    return 0.0\n")
done = True
