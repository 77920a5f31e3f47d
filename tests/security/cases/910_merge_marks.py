"""Marks of an unfinished merge.

loses: all
status: unreadable
"""
# %% notebook
import json

text = json.dumps(nb, indent=1)
raw = ("<<<<<<< HEAD\n" + text + "\n=======\n" + text + "\n>>>>>>> theirs\n").encode()
