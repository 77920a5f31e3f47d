"""Keeps counts and results in globals and in a closure.
"""
# %% pairs
calls = 0
seen = {}


def pairs(words):
    global calls
    calls += 1
    key = tuple(words)
    if key not in seen:
        seen[key] = [(words[i], words[i + 1]) for i in range(len(words) - 1)]
    return seen[key]


# %% mean_square
def make():
    count = 0

    def mean_square(values):
        nonlocal count
        count += 1
        if not values:
            raise ValueError("no values")
        return sum(value**2 for value in values) / len(values)

    return mean_square


mean_square = make()
