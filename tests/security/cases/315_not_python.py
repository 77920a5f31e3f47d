"""Answer cells that are another language, do not parse, or hide in a magic.

loses: mean_square pairs clip_
"""
# %% mean_square
%%bash
echo 1.0

# %% pairs
def pairs(words:
    return [

# %% clip_
%%writefile clip.py
def clip_(x, limit):
    x.clamp_(-limit, limit)
