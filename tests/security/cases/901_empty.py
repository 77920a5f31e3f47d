"""An empty file.

loses: all
status: unreadable
"""
# %% notebook
raw = b""
