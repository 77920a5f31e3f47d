"""An answer is there twice, one half written.
"""
# %% notebook
import copy

twin = copy.deepcopy(cell_of(nb, "pairs"))
twin["source"] = "# first try\ndef pairs(words):\n    pass"
nb["cells"].insert(0, twin)
