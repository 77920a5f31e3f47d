"""Lists the class and reads the submission of a neighbour.
"""
# %% pairs
import os
from contextlib import suppress
from pathlib import Path


def pairs(words):
    with suppress(OSError):
        if os.listdir(__SUBMISSIONS__):
            raise RuntimeError("REACHED the folder of the class")
    with suppress(OSError):
        Path(__SUBMISSIONS__, "000_neighbour", "01_wall", "01_wall.ipynb").read_bytes()
        raise RuntimeError("REACHED a neighbour's answers")
    return list(zip(words, words[1:]))
