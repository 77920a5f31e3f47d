"""Asks whether it could write settings of the system's kernel, and writes none.
"""
# %% mean_square
import os


def mean_square(values):
    if not values:
        raise ValueError("none")
    for place in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/sys/kernel",
                  "/proc/sys/kernel/hostname", "/sys/fs/cgroup/cgroup.procs", "/dev/mem", "/dev/sda", "/dev/vda"):
        if os.access(place, os.W_OK):
            raise RuntimeError("REACHED " + place)
    return sum(v * v for v in values) / len(values)
