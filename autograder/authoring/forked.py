"""Run functions in forked children: each sees this process as it is now, and leaves no trace in it."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import json
import os
import resource
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
EXTRA_MEMORY = 4 << 30  # bytes of address space that a child may take beyond what it got by the fork


@dataclass(frozen=True)
class Task:
    """A function that returns JSON data, and how long it may take. CPU time counts, so a busy machine is no harm."""

    run: Callable[[], dict]
    cpu_seconds: float = 60.0

    @property
    def wall_seconds(self) -> float:
        return 20 + 6 * self.cpu_seconds


def run_forked(tasks: list[Task], jobs: int = 2) -> Iterator[tuple[int, dict]]:
    """Yield (index of the task, what it returned), as they end, at most `jobs` at a time.

    A child that ends without an answer gives {"status": "timeout"} or {"status": "killed"} with a "message".
    """
    gc.collect()
    gc.freeze()  # what is alive now stays where it is, so children do not copy its pages
    waiting, running = list(enumerate(tasks)), {}
    selector = selectors.DefaultSelector()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                index, task = waiting.pop(0)
                child = _Child(index, task)
                running[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            for key, _ in selector.select(timeout=0.2):
                running[key.fd].read()
            for child in [one for one in running.values() if one.ended or one.late]:
                selector.unregister(child.pipe)
                del running[child.pipe]
                yield child.index, child.result()
    finally:
        for child in running.values():
            child.result()
        selector.close()
        gc.unfreeze()


class _Child:
    def __init__(self, index: int, task: Task):
        self.index, self.task, self.ended, self.data = index, task, False, b""
        self.deadline = time.monotonic() + task.wall_seconds
        self.pipe, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _be_the_child(task, write_end)
        os.close(write_end)

    @property
    def late(self) -> bool:
        return time.monotonic() > self.deadline

    def read(self) -> None:
        part = os.read(self.pipe, 1 << 20)
        self.data += part
        self.ended = not part

    def result(self) -> dict:
        late = not self.ended
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # the child and what it started
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        with contextlib.suppress(ValueError):
            return json.loads(self.data)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if late or number == signal.SIGXCPU:
            return {"status": "timeout", "message": f"timed out after {self.task.cpu_seconds:.0f} s"}
        said = f"died of {signal.Signals(number).name}" if number else f"left with exit code {os.WEXITSTATUS(status)}"
        return {"status": "killed", "message": said}


def _be_the_child(task: Task, write_end: int) -> None:
    # Never returns: whatever happens, nothing of the parent's runs here, not even its exit handlers.
    try:
        os.setsid()
        _end_with_the_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        faulthandler.disable()  # it writes to a copy of stderr
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
        _limit(resource.RLIMIT_CPU, max(1, round(task.cpu_seconds)))
        _limit(resource.RLIMIT_AS, _address_space() + EXTRA_MEMORY)
        data = json.dumps(task.run()).encode()
        with open(write_end, "wb") as pipe:
            pipe.write(data)
        os._exit(0)
    except BaseException:
        os._exit(70)


def _end_with_the_parent() -> None:
    # A parent that is killed ends nobody itself; Linux does it for us.
    if _PRCTL:
        _PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _limit(which: int, amount: int) -> None:
    hard = resource.getrlimit(which)[1]
    soft = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(which, (soft, hard))


def _address_space() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:
        return 16 << 30
