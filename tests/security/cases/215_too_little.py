"""Empty, truncated and broadcast results, which a loop over what came would accept.

loses: unit_rows pairs running_mean
"""
# %% unit_rows
def unit_rows(x):
    return x[:0] if x.shape == (2, 3) else (x / x.norm(dim=1, keepdim=True))[:1]


# %% pairs
def pairs(words):
    return list(zip(words, words[1:]))[:1]


# %% running_mean
class RunningMean:
    def add(self, x):
        return []
