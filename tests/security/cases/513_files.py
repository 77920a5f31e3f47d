"""Makes twenty thousand files.

may lose: pairs
status: passed failed error memory killed timeout
stock: unsafe, twenty thousand files
"""
# %% pairs
import os


def pairs(words):
    if words == ["a", "b", "c"]:
        os.mkdir("many")
        for number in range(20_000):
            os.close(os.open(f"many/{number}", os.O_CREAT | os.O_WRONLY))
    return list(zip(words, words[1:]))
