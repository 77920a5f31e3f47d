"""Callbacks of the garbage collector that raise errors, and hooks for every kind of error.
"""
# %% unit_rows
import gc
import sys
import threading


def fail(*_, **__):
    raise RuntimeError("from a callback")


gc.callbacks.append(fail)
sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *_: None


def unit_rows(x):
    gc.collect()
    return x / x.norm(dim=1, keepdim=True)
