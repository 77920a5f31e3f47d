"""Run a rebuilt notebook in a cold kernel; start again without the answer that ended the process."""

from __future__ import annotations

import asyncio
import threading
import time
from copy import deepcopy
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

from autograder import cells
from autograder.errors import InfrastructureError
from autograder.grading.kernel import Kernel, Reply
from autograder.grading.lesson import Lesson
from autograder.grading.limits import Limits
from autograder.grading.messages import taken_out

_MAX_RESTARTS = 6
_SET_UP_SECONDS = 300.0


@dataclass
class Executed:
    """The notebook with its outputs, and how each code cell ended: index -> Reply; a cell without one never ran.

    culprits: grade_id of an answer -> the reply that took it out of the run.
    """

    notebook: NotebookNode
    replies: dict[int, Reply] = field(default_factory=dict)
    culprits: dict[str, Reply] = field(default_factory=dict)
    out_of_time: bool = False


def execute(lesson: Lesson, notebook: NotebookNode, limits: Limits,
            stopping: threading.Event | None = None) -> Executed:
    """Run every code cell in order, in one shared namespace and a scratch folder of its own.

    An answer that ends the process costs its own tests: the kernel starts anew, runs what came before, and finds a
    function in the answer's place that says what happened. Raises InfrastructureError if no kernel starts or if
    the lesson's own cells before the first answer fail.
    """
    return asyncio.run(_Run(lesson, deepcopy(notebook), limits, stopping).run())


class _Run:
    def __init__(self, lesson: Lesson, notebook: NotebookNode, limits: Limits, stopping: threading.Event | None):
        self.lesson, self.limits, self.stopping = lesson, limits, stopping
        self.done = Executed(notebook)
        self.kernel: Kernel | None = None
        self.replay: list[int] = []  # cells that a new kernel must run first
        self.restarts = -1
        self.timeouts = 0
        self.exercise = ""  # the answer that the current cell belongs to
        self.deadline = time.monotonic() + limits.notebook

    async def run(self) -> Executed:
        try:
            for index, cell in enumerate(self.done.notebook.cells):
                if cell.cell_type == "code" and cell.source.strip():
                    if cells.is_solution(cell):
                        self.exercise = cells.grade_id(cell)
                    await self._cell(index, cell)
        finally:
            await self._close()
        return self.done

    async def _cell(self, index: int, cell: NotebookNode) -> None:
        if cells.is_test(cell) and self.exercise in self.done.culprits:
            return  # it gets the verdict of the answer that was taken out
        if not await self._ready():
            return
        reply = await self.kernel.run(index, cell, self._seconds())
        self.done.replies[index] = reply
        self.timeouts += reply.status == "timeout"
        self._check_lesson(cell, reply)
        if reply.alive and (reply.status != "timeout" or cells.is_test(cell)):
            if not cells.is_test(cell):
                self.replay.append(index)
            return
        if not reply.alive:
            await self._close()
        if cells.is_test(cell) or cells.is_solution(cell):
            if not reply.alive:
                self.done.culprits.setdefault(self.exercise, reply)
            self.replay = [i for i in self.replay if cells.grade_id(self.done.notebook.cells[i]) != self.exercise]

    def _seconds(self) -> float:
        # Until the first answer only the lesson runs: imports and the model may be slow on a busy machine.
        limit = self.limits.after(self.timeouts) if self.exercise else max(self.limits.cell, _SET_UP_SECONDS)
        return max(0.1, min(limit, self.deadline - time.monotonic()))

    async def _ready(self) -> bool:
        """Have a kernel that has run all that came before; False if there is no time or no point."""
        if time.monotonic() >= self.deadline:
            self.done.out_of_time = True
            return False
        while self.kernel is None:
            if self.restarts >= _MAX_RESTARTS or time.monotonic() >= self.deadline:
                self.done.out_of_time = time.monotonic() >= self.deadline
                return False
            self.restarts += 1
            self.kernel = await Kernel(self.limits, self.lesson.files, self.lesson.folder, self.stopping).start()
            for index in list(self.replay):
                again = deepcopy(self.done.notebook.cells[index])
                reply = await self.kernel.run(index, again, self._seconds())
                if not reply.alive:
                    self.replay.remove(index)
                    await self._close()
                    break
            else:
                await self._stand_ins()
        return True

    async def _stand_ins(self) -> None:
        """Put a function that explains itself in the place of each answer that was taken out."""
        for name in self.done.culprits:
            stands = "\n".join(
                f"def {function}(*args, **kwargs):\n"
                f"    raise RuntimeError({taken_out(name)!r})"
                for function in self.lesson.names(name))
            if stands:
                await self.kernel.run(-1, nbformat.v4.new_code_cell(stands), self._seconds())

    def _check_lesson(self, cell: NotebookNode, reply: Reply) -> None:
        # Nothing of the student's has run yet: what fails here is the machine's or the lesson's, never theirs.
        if reply.status != "ok" and not self.exercise:
            first = cell.source.strip().splitlines()[0]
            said = f"{reply.ename}: {reply.evalue}" if reply.ename else f"it ended with {reply.status!r}"
            raise InfrastructureError(f"The lesson's own cell {first!r} failed ({said}). Nothing was graded: run "
                                      f"`course check {self.lesson.unit} --run` and `course doctor`.")

    async def _close(self) -> None:
        if self.kernel is not None:
            kernel, self.kernel = self.kernel, None
            await kernel.stop()
