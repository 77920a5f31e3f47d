"""Decorators of torch and of its own.
"""
# %% mean_square
import functools


def loud(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        print("calling", function.__name__)
        return function(*args, **kwargs)

    return inner


@loud
def mean_square(values):
    if not values:
        raise ValueError("no values")
    return sum(value**2 for value in values) / len(values)


# %% unit_rows
@torch.no_grad()
def unit_rows(x):
    return x / x.norm(dim=1, keepdim=True)


# %% clip_
@torch.no_grad()
@loud
def clip_(x, limit):
    x.clamp_(min=-limit, max=limit)
