"""The file is in the notebook format of before 2015.
"""
# %% notebook
import json

import nbformat

old = nbformat.convert(nbformat.from_dict(nb), 3)
raw = json.dumps(old).encode()
