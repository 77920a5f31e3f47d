"""The file is written in UTF-16.
"""
# %% notebook
import json

raw = json.dumps(nb, ensure_ascii=False).encode("utf-16")
