"""A named pipe, which would keep a reader waiting.

loses: all
status: unreadable missing
stock: unsafe, it would wait for ever
"""
# %% notebook
import os

os.mkfifo(folder / "01_wall.ipynb")
done = True
