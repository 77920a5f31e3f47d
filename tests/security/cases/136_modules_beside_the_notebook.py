"""Writes modules beside the notebook that shadow helpers and others, then ends the process: the next one is fooled.

loses: mean_square
status: killed
"""
# %% mean_square
import os
from pathlib import Path


def mean_square(values):
    for name in ("helpers/__init__", "helpers/checks", "autograder", "sitecustomize", "json", "random"):
        target = Path(f"{name}.py")
        target.parent.mkdir(exist_ok=True)
        target.write_text("close = equal = raises = that = shape = lambda *args, **kwargs: None\n"
                          "def beside(function, *args): return function(*args)\n")
    os._exit(0)
