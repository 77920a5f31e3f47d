"""Prints forty megabytes in one line on each stream, and writes as many to the descriptors below them.

may lose: pairs
status: passed failed error killed memory timeout
stock: unsafe, many megabytes into every notebook
"""
# %% pairs
import os
import sys


def pairs(words):
    if words == ["a", "b", "c"]:
        print("y" * 40_000_000)
        print("z" * 40_000_000, file=sys.stderr)
        for fd in (1, 2):
            os.write(fd, b"w" * 20_000_000)
    return list(zip(words, words[1:]))
