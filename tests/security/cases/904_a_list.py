"""JSON that is no notebook.

loses: all
status: unreadable
"""
# %% notebook
raw = b'[{"cell_type": "code", "source": "1"}]'
