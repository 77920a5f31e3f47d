"""Lists in lists, a hundred thousand deep.

loses: pairs
status: failed error killed
"""
# %% pairs
def pairs(words):
    found = []
    for _ in range(100_000):
        found = [found]
    return found
