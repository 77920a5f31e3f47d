"""Leaves threads running that print, compute and never end.
"""
# %% unit_rows
import threading
import time


def busy():
    end = time.time() + 30
    while time.time() < end:
        print("still here")
        time.sleep(0.05)


for daemon in (True, False):
    threading.Thread(target=busy, daemon=daemon).start()


def unit_rows(x):
    return x / x.norm(dim=1, keepdim=True)
