"""The file starts with a byte order mark.
"""
# %% notebook
import json

raw = b"\xef\xbb\xbf" + json.dumps(nb).encode()
