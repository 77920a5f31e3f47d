"""Kills every process it may, but only where it is in a pid namespace of its own.

loses: unit_rows
may lose: all
status: killed error failed
stock: unsafe, it would end the whole machine
"""
# %% unit_rows
import os
import signal


def unit_rows(x):
    if os.readlink("/proc/self/ns/pid") == __HOST_PIDS__:
        raise RuntimeError("REACHED: no pid namespace of its own")
    os.kill(-1, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
