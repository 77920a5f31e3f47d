"""Ends the process where the answer is defined.

loses: pairs
status: killed
"""
# %% pairs
import os

os._exit(0)


def pairs(words):
    return list(zip(words, words[1:]))
