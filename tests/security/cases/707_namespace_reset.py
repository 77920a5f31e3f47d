"""Clears the namespace of the notebook with a magic.

may lose: all
status: passed failed error
"""
# %% pairs
%reset -f
def pairs(words):
    return list(zip(words, words[1:]))
