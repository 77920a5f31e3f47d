"""A Word file with another name.

loses: all
status: unreadable
"""
# %% notebook
raw = b"PK\x03\x04\x14\x00\x06\x00" + bytes(range(256)) * 40
