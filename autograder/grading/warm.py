"""The lesson's own cells, run once before anything is forked: imports, model, data.

Each cell's bindings are kept apart, so that a fork can give them to a submission in the lesson's order: an answer
sees the `x` of the cells above it, not of those below.
"""

from __future__ import annotations

import gc
import linecache
from collections.abc import Iterable
from pathlib import Path
from types import CodeType

from autograder.grading.steps import OWN, Step
from autograder.single_thread import assert_one_thread, one_thread_only

_ABSENT = object()


class LessonFailed(Exception):
    """A cell of the lesson's own raised an error."""


class Warm:
    """A namespace in which the lesson's own cells were run.

    namespace: the one that their functions live in; empty until `begin`. everything: all that they bound, at the end.
    """

    def __init__(self, name: str):
        self.name, self.namespace, self.everything = name, {}, {}
        self.changes: dict[int, dict[str, object]] = {}

    def run(self, steps: Iterable[Step]) -> Warm:
        """Raises LessonFailed. Leaves the process with one thread and nothing for the garbage collector to touch."""
        one_thread_only()
        _unshare_tqdm()
        self.begin()
        for step in steps:
            if step.kind == OWN:
                before = dict(self.namespace)
                try:
                    exec(compiled(step), self.namespace)
                except BaseException as error:
                    first = step.source.strip().splitlines()[0]
                    raise LessonFailed(f"{first!r} failed ({type(error).__name__}: {error})") from error
                after = self.namespace
                self.changes[step.index] = {
                    name: after.get(name, _ABSENT) for name in {*before, *after}
                    if before.get(name, _ABSENT) is not after.get(name, _ABSENT)}
        self.everything = dict(self.namespace)
        self.begin()
        assert_one_thread("after the lesson's own cells")
        _assert_nothing_shared()
        gc.collect()
        gc.freeze()  # a collection in a fork would otherwise touch, and so copy, every page
        return self

    def begin(self) -> None:
        """Empty the namespace for a submission."""
        self.namespace.clear()
        self.namespace.update(__name__=self.name, __builtins__=__builtins__, display=_no_display)

    def apply(self, index: int) -> None:
        """Bind what the lesson's own cell `index` bound."""
        for name, value in self.changes.get(index, {}).items():
            if value is _ABSENT:
                self.namespace.pop(name, None)
            else:
                self.namespace[name] = value


def compiled(step: Step) -> CodeType:
    """The code of a cell, which tracebacks find the lines of."""
    filename = file_of(step.index)
    linecache.cache[filename] = (len(step.source), None, step.source.splitlines(keepends=True), filename)
    return compile(step.source, filename, "exec", dont_inherit=True)


def file_of(index: int) -> str:
    """What a cell is called in tracebacks."""
    return f"<cell {index}>"


def cell_of(filename: str) -> int | None:
    """The cell that `file_of` named, None for any other file."""
    number = filename.removeprefix("<cell ").removesuffix(">")
    return int(number) if filename.startswith("<cell ") and number.isdecimal() else None


def _no_display(*_, **__) -> None:
    """Figures of the lesson's own cells are for its readers."""


def _assert_nothing_shared() -> None:
    """Raise LessonFailed if the process has memory that its forks would share and could all write to."""
    maps = Path("/proc/self/maps")
    shared = [line.split()[-1] for line in maps.read_text().splitlines() if " rw-s " in line] if maps.exists() else []
    if shared:
        raise LessonFailed(f"memory that all students would share was left by the lesson's own cells ({shared[0]})")


def _unshare_tqdm() -> None:
    # tqdm's lock between processes is a writable page that the zygote would share with every student.
    from tqdm.std import TqdmDefaultWriteLock

    TqdmDefaultWriteLock.mp_lock = None
