"""Half characters, and NUL bytes, in answers, in comments only.
"""
# %% notebook
import json

cell_of(nb, "pairs")["source"] += "\n# \ud83d end\x00"
raw = json.dumps(nb).encode()
