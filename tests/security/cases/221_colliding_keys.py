"""A dict with ten thousand keys of the same hash, slow for everybody who builds it.

loses: pairs
status: failed error timeout killed tampered
"""
# %% pairs
def pairs(words):
    return {(2**61 - 1) * k: k for k in range(10_000)}
