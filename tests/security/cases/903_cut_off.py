"""A file that was cut off in the middle.

loses: all
status: unreadable
"""
# %% notebook
import json

raw = json.dumps(nb, indent=1).encode()[:3000]
