"""Opens the gradebook for writing, through SQLite and as a file, and changes nothing.
"""
# %% mean_square
import sqlite3
from contextlib import suppress


def mean_square(values):
    if not values:
        raise ValueError("none")
    for name in (__OUT__ + "/gradebook.db", __OUT__ + "/grades.csv"):
        with suppress(OSError), open(name, "r+b"):
            raise RuntimeError("REACHED the gradebook, to write")
    with suppress(sqlite3.Error):
        book = sqlite3.connect(f"file:{__OUT__}/gradebook.db?mode=rw", uri=True, timeout=0.1)
        book.execute("select * from grade")
        raise RuntimeError("REACHED the gradebook, through SQLite")
    return sum(v * v for v in values) / len(values)
