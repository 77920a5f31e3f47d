"""Returns promises: a function, a future, a coroutine, a property.

loses: mean_square unit_rows pairs n_parameters
"""
# %% mean_square
async def mean_square(values):
    return sum(v * v for v in values) / len(values)


# %% unit_rows
def unit_rows(x):
    return lambda: x / x.norm(dim=1, keepdim=True)


# %% pairs
from concurrent.futures import Future


def pairs(words):
    future = Future()
    future.set_result(list(zip(words, words[1:])))
    return future


# %% n_parameters
n_parameters = property(lambda self: 768 * 50257 + 50257)
