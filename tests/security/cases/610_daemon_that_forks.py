"""Leaves a fork of itself behind, twice removed, that holds on to everything it inherited.
"""
# %% pairs
import os
import time
from contextlib import suppress


def pairs(words):
    if words == ["a", "b", "c"]:
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                with suppress(OSError), open("/proc/self/comm", "w") as file:
                    file.write(__MARK__)
                time.sleep(90)
                with open(__LOOT__, "w") as file:
                    file.write("late")
            os._exit(0)
        os.waitpid(child, 0)
    return list(zip(words, words[1:]))
