"""What all processes of one submission use together, looked at from outside."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from autograder.grading.wall import HOME, MAX_FILES

_WORTH_A_LOOK = 256 << 20
_LEAST_FREE = 300 << 20  # bytes that must stay free on the machine
_SCRATCH = ("/tmp", "/dev/shm", HOME)


@dataclass(frozen=True)
class Usage:
    """memory: bytes that only these processes have. files: in the box's scratch folders. free: on the machine."""

    memory: int = 0
    files: int = 0
    free: int = 1 << 62


def usage(roots: list[int], box: int | None) -> Usage:
    """Of the processes below `roots`, these included; `box` is the first process of the box, if there is one."""
    return Usage(_memory(family(roots)), _files(box) if box else 0, _free())


def family(roots: list[int]) -> list[int]:
    """`roots` and all that descend from them, as far as they are alive."""
    found, queue = [], list(roots)
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    found = []
    try:
        for thread in os.scandir(f"/proc/{pid}/task"):
            found += map(int, Path(f"{thread.path}/children").read_bytes().split())
    except OSError:
        pass
    return found


def _memory(pids: list[int]) -> int:
    """Upper bounds first, which cost little: what a fork shares with the zygote counts in full there."""
    bound = sum(_sizes(pid, "status", (b"RssAnon:", b"RssShmem:")) for pid in pids)
    if bound < _WORTH_A_LOOK:
        return bound
    exact = [_sizes(pid, "smaps_rollup", (b"Pss_Anon:", b"Pss_Shmem:")) for pid in pids]
    return sum(exact) or bound


def _sizes(pid: int, file: str, names: tuple[bytes, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_bytes().splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(names))
    except (OSError, ValueError, IndexError):
        return 0


def _files(box: int) -> int:
    found = 0
    for folder in _SCRATCH:
        try:
            about = os.statvfs(f"/proc/{box}/root{folder}")
        except OSError:
            continue
        found += about.f_files - about.f_ffree if about.f_files else 0
    return found


def _free() -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_bytes().splitlines():
            if line.startswith(b"MemAvailable"):
                return int(line.split()[1]) << 10
    return 1 << 62


def too_much(used: Usage, memory: int) -> str | None:
    """What is used up: memory or files of the submission's, or the machine is crowded; None while all is well."""
    if used.memory > memory:
        return "memory"
    if used.files > MAX_FILES:
        return "files"
    if used.free < _LEAST_FREE:  # whoever is looked at need not be the one who took it
        return "memory" if used.memory > memory // 2 else "crowded"
    return None
