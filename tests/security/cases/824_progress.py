"""Shows progress bars.
"""
# %% pairs
from tqdm.auto import tqdm
from tqdm import trange


def pairs(words):
    return [(words[i], words[i + 1]) for i in trange(len(words) - 1)]


for _ in tqdm(range(3)):
    pass
