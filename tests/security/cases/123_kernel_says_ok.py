"""The kernel's own `do_execute` is replaced by one that says ok and runs nothing.

loses: mean_square
may lose: all
status: failed error killed timeout tampered
"""
# %% mean_square
from contextlib import suppress


def mean_square(values):
    return 0.0


async def say_ok(*args, **kwargs):
    return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}


with suppress(Exception):
    get_ipython().kernel.do_execute = say_ok
    type(get_ipython().kernel).do_execute = say_ok
