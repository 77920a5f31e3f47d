"""Calls another program, with the standard library.
"""
# %% pairs
import subprocess
import sys


def pairs(words):
    text = subprocess.run(["cat"], input="\n".join(words), capture_output=True, text=True, check=True).stdout
    words = text.split("\n")
    return list(zip(words, words[1:]))


subprocess.run([sys.executable, "-c", "print('hello')"], check=True, timeout=4)
