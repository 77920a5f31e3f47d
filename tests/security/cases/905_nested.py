"""JSON nested a million deep.

loses: all
status: unreadable
"""
# %% notebook
raw = b'{"cells":' * 1_000_000
