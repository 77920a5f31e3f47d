"""IPython is told to swallow every exception of later cells.

loses: mean_square
may lose: all
status: failed error killed tampered
"""
# %% mean_square
from contextlib import suppress


def mean_square(values):
    return 0.0


def swallow(shell, kind, error, trace, tb_offset=None):
    return None


with suppress(Exception):
    shell = get_ipython()
    shell.set_custom_exc((BaseException,), swallow)
    shell.showtraceback = shell._showtraceback = shell.showsyntaxerror = lambda *args, **kwargs: None
