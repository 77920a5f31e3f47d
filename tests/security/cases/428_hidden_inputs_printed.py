"""Prints the inputs of hidden tests, warns of them, logs them and shows them.
"""
# %% pairs
import logging
import sys
import warnings


def pairs(words):
    print(words)
    print(words, file=sys.stderr)
    warnings.warn(str(words))
    logging.getLogger().warning("%s", words)
    display(words)
    return list(zip(words, words[1:]))
