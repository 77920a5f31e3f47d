"""Prints and logs while it works.
"""
# %% pairs
import logging

logging.basicConfig(level=logging.DEBUG)
log = logging.getLogger(__name__)


def pairs(words):
    log.info("pairs of %d words", len(words))
    print(f"{words = }")
    found = []
    for first, second in zip(words, words[1:]):
        print(first, "->", second, end="; ", flush=True)
        found.append((first, second))
    return found


pairs(["x", "y"])
