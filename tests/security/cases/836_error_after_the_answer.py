"""The answer is there; what it tries out below it fails.
"""
# %% pairs
def pairs(words):
    return list(zip(words, words[1:]))


print(pairs(["a", "b"]))
1 / 0
