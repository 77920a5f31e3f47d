"""Kills its parent and stops its group, but only where it is in a pid namespace of its own.

loses: pairs
may lose: all
status: killed error failed timeout
stock: unsafe, its parent is the grader
"""
# %% pairs
import os
import signal
from contextlib import suppress


def pairs(words):
    if os.readlink("/proc/self/ns/pid") == __HOST_PIDS__:
        raise RuntimeError("REACHED: no pid namespace of its own")
    with suppress(OSError):
        if os.getppid() > 0:
            os.kill(os.getppid(), signal.SIGKILL)
    os.killpg(0, signal.SIGSTOP)
