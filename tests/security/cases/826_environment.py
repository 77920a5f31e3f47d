"""Reads and sets variables of the environment.
"""
# %% mean_square
import os

os.environ["MY_SETTING"] = "2"
home, path = os.environ.get("HOME", "/"), os.environ["PATH"]
os.makedirs(os.path.join(home, ".cache", "mine"), exist_ok=True)


def mean_square(values):
    if not values:
        raise ValueError("no values")
    return sum(value ** int(os.getenv("MY_SETTING")) for value in values) / len(values)
