"""Objects that act in `__del__` and in weakref callbacks, long after their call.

loses: mean_square
"""
# %% mean_square
import weakref


class Ghost:
    def __del__(self):
        globals()["check"] = None
        with open(__LOOT__, "w") as file:
            file.write("a ghost wrote this")


def mean_square(values):
    ghost = Ghost()
    weakref.finalize(ghost, print, "gone")
    return [ghost]
