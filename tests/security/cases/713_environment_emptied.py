"""Empties its environment and ignores interrupts.
"""
# %% pairs
import os
import signal

os.environ.clear()
signal.signal(signal.SIGINT, signal.SIG_IGN)


def pairs(words):
    return list(zip(words, words[1:]))
