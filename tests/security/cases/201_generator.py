"""Returns a generator, which nobody can compare twice.

loses: pairs
"""
# %% pairs
def pairs(words):
    yield from zip(words, words[1:])
