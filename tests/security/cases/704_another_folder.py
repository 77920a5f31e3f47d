"""Changes the working folder, the path of imports and the mask of new files.
"""
# %% pairs
import os
import sys

os.chdir("/")
os.umask(0o777)
sys.path[:] = []


def pairs(words):
    return list(zip(words, words[1:]))
