"""Runs rebuilt notebooks: the student's process behind the wall, the examiner outside, both watched from here.

For each submission the two are forked, connected, and given the cells. Whatever ends the student's process costs the
test that was running; then both are forked anew, run what came before, and go on after it.
"""

from __future__ import annotations

import contextlib
import json
import select
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode

from autograder.errors import InfrastructureError
from autograder.grading.lesson import Lesson
from autograder.grading.limits import Limits
from autograder.grading.messages import taken_out
from autograder.grading.plan import steps_of
from autograder.grading.reply import Executed, Reply
from autograder.grading.servers import Server, config_of
from autograder.grading.sitting import Sitting
from autograder.grading.steps import ANSWER, DEPENDENT, OWN, TEST
from autograder.grading.traceback_text import Frame
from autograder.grading.wall import choose_wall
from autograder.grading.watch import too_much
from autograder.grading.wire import Gone, Malformed
from helpers.files import cache_dir

_POLL = 0.1
_GRACE = 2.0  # seconds that an interrupted cell gets to stop
_MAX_RESTARTS = 6
_SILENT = 3  # attempts in a row that told nothing, before the machine is blamed
_START_SECONDS = 60.0  # until an examiner reports its first step, on a busy machine
_ZYGOTE, _EXAMINER = "autograder.grading.zygote", "autograder.grading.examiner"


class Stopped(Exception):
    """Grading was interrupted."""


class Engine:
    """Everything that is made once for a class; use it in a `with` block. `execute` may be called from many threads.

    wall: auto, bwrap or none. never: what no answer may see. files: what lies beside the notebook, path -> content;
    default: what the lesson says. Raises InfrastructureError where the wall cannot be built; `execute` does where the
    lesson's own cells fail.
    """

    def __init__(self, lesson: Lesson, limits: Limits, wall: str = "auto", never: Iterable[Path] = (),
                 files: Mapping[str, bytes] | None = None):
        self.lesson, self.limits, self.wall_name, self.never = lesson, limits, wall, tuple(never)
        self.files = lesson.contents() if files is None else files
        self.steps = steps_of(lesson)
        self.starting, self.started, self.failure = threading.Lock(), False, None
        self.warming: threading.Thread | None = None

    def __enter__(self) -> Engine:
        self.folder = Path(tempfile.mkdtemp(prefix="grading-"))
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self.warming is not None:
            self.warming.join()
        for server in (getattr(self, "zygote", None), getattr(self, "examiner", None)):
            if server is not None:
                server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def warm_up(self) -> None:
        """Start the servers now, in the background, not with the first submission."""
        self.warming = threading.Thread(target=self._try_to_start, name="warm-up")
        self.warming.start()

    def execute(self, notebook: NotebookNode, stopping: threading.Event | None = None,
                only: str | None = None) -> Executed:
        """Run every code cell of a rebuilt notebook in order; of the tests, those of the exercise `only` if given."""
        self._start()
        return _Run(self, deepcopy(notebook), stopping or threading.Event(), only).run()

    def _set_up(self) -> None:
        seen, private = self.folder / "seen", self.folder / "private"
        work = seen / "work"
        work.mkdir(parents=True)
        private.mkdir(mode=0o700)
        for folder in (self.folder, seen, work):
            folder.chmod(0o755)
        for name, content in self.files.items():
            target = work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.wall = choose_wall(self.wall_name, seen, [cache_dir()], self.never)
        self.work = str(work)
        limits = self.limits.memory, self.limits.output
        shown = [step for step in self.steps if step.kind == OWN]
        self.zygote = Server(_ZYGOTE, config_of(self.lesson.unit, shown, self.wall, work, *limits), self.wall, seen)
        self.examiner = Server(_EXAMINER, config_of(self.lesson.unit, self.steps, self.wall, work, *limits),
                               folder=private)

    def _start(self) -> None:
        """Start both servers, once; what keeps them from starting will keep them the next time too."""
        if self.started:
            return
        with self.starting:
            if self.failure is not None:
                raise self.failure
            zygote, examiner = _both(self.zygote.start, self.examiner.start)
            try:
                if examiner is not None:
                    raise examiner
                if zygote is not None:  # it may only read what lessons cache; by now the examiner has made it
                    self.zygote.start()
            except InfrastructureError as error:
                self.failure = error
                raise
            self.started = True


    def _try_to_start(self) -> None:
        with contextlib.suppress(InfrastructureError):  # the first submission will say so
            self._start()


class _Run:
    """One submission."""

    def __init__(self, engine: Engine, notebook: NotebookNode, stopping: threading.Event, only: str | None):
        self.engine, self.lesson, self.limits, self.stopping = engine, engine.lesson, engine.limits, stopping
        self.done = Executed(notebook)
        self.kinds = {step.index: step.kind for step in engine.steps}
        self.exercise, self.only = self._exercises(), only
        self.skipped: set[int] = set()  # cells of the lesson's that ended the process
        self.timeouts = self.restarts = 0
        self.deadline = time.monotonic() + self.limits.notebook

    def run(self) -> Executed:
        silent = 0
        while self._left():
            if time.monotonic() >= self.deadline:
                self.done.out_of_time = True
                break
            if self.restarts > _MAX_RESTARTS:
                break
            self.restarts += 1
            before = self._progress()
            with Sitting(self.engine.zygote, self.engine.examiner, self.engine.work) as sitting:
                self._attempt(sitting)
            silent = silent + 1 if self._progress() == before else 0
            if silent == _SILENT and self._left():
                raise InfrastructureError("The examiner ended without a report; see `course doctor`.")
        return self.done

    def _progress(self) -> tuple[int, ...]:
        """Grows with every attempt that has told anything."""
        return len(self.done.replies), len(self.done.culprits), len(self.skipped)

    def _exercises(self) -> dict[int, str]:
        """Index of a cell -> the answer that it is or tests."""
        found, name = {}, ""
        for step in self.engine.steps:
            if step.kind == ANSWER:
                name = step.grade_id
            found[step.index] = name
        return found

    def _left(self) -> list[int]:
        """The tests that have no verdict yet."""
        return [index for index, kind in self.kinds.items()
                if kind == TEST and index not in self.done.replies and self.exercise[index] not in self.done.culprits
                and self.only in (None, self.exercise[index])]

    def _sources(self) -> dict[int, str]:
        """What stands in each cell of the student's; in the place of an answer that ended the process, a stand-in."""
        found = dict.fromkeys(self.skipped, "")
        for index, kind in self.kinds.items():
            if kind == ANSWER:
                name = self.exercise[index]
                gone = name in self.done.culprits
                found[index] = self._stand_in(name) if gone else self.done.notebook.cells[index].source
        return found

    def _stand_in(self, name: str) -> str:
        """Functions that explain themselves."""
        return "\n".join(f"def {function}(*args, **kwargs):\n    raise RuntimeError({taken_out(name)!r})"
                         for function in self.lesson.names(name))

    def _attempt(self, sitting: Sitting) -> None:
        """Run what is left until it is done or the student's process has ended."""
        sitting.report.send(json.dumps({"sources": self._sources(), "tests": self._left()}).encode())
        index, began, limit = None, time.monotonic(), _START_SECONDS
        ended: list[int] = []
        while True:
            message, why = self._next(sitting, began + limit)
            late = why == "timeout" and index is not None
            if late:  # a loop that can be interrupted costs its cell or test, and no new start
                sitting.interrupt()
                message, again = self._next(sitting, began + limit + _GRACE)
                why = "timeout" if again == "gone" else again
            if message is None:
                self._lost(index, ended, why, sitting, time.monotonic() - began, limit)
                return
            if "begin" in message:
                index, began, limit = message["begin"], time.monotonic(), self._seconds(message["begin"])
            elif "end" in message:
                reply = _reply(message, time.monotonic() - began, limit)
                if late:
                    reply.status = "timeout"
                    self.timeouts += 1
                self._note(message["end"], reply)
                ended.append(message["end"])
                if reply.status in {"output", "tampered"} or time.monotonic() >= self.deadline:
                    return  # what is left of that process is not worth going on with, or there is no time for it
                index, began, limit = None, time.monotonic(), _START_SECONDS
            else:
                return

    def _seconds(self, index: int) -> float:
        seconds = self.limits.after(self.timeouts)
        before = self.done.replies.get(index)
        if before is not None and before.status == "ok":  # it is run again, and may take as long as it did
            seconds = min(self.limits.cell, max(seconds, 2 * before.seconds))
        return max(0.1, min(seconds, self.deadline - time.monotonic()))

    def _next(self, sitting: Sitting, deadline: float) -> tuple[dict | None, str]:
        """The examiner's next message; or None and why there is none."""
        while True:
            if self.stopping.is_set():
                raise Stopped
            readable, _, _ = select.select([sitting.report.socket], [], [], _POLL)
            if readable:
                try:
                    header, _ = sitting.report.receive()
                    return json.loads(header), ""
                except (Gone, Malformed, ValueError):
                    return None, "gone"
            if time.monotonic() > deadline:
                return None, "timeout"
            why = too_much(sitting.usage(), self.limits.memory)
            if why:
                return None, why

    def _note(self, index: int, reply: Reply) -> None:
        if index not in self.done.replies or self.kinds[index] == TEST:
            self.done.replies[index] = reply
        if self.kinds[index] in (ANSWER, TEST) and reply.status in {"output", "tampered"}:
            self.done.culprits.setdefault(self.exercise[index], reply)

    def _lost(self, index: int | None, ended: list[int], why: str, sitting: Sitting, seconds: float,
              limit: float) -> None:
        """The student's process (or, never by itself, the examiner) has ended, or must, in the cell `index`, after the
        cells `ended`."""
        code = sitting.end(patience=5.0 if why == "gone" else 0.0)
        if why == "crowded":
            raise InfrastructureError("The machine ran out of memory while this was graded: take fewer --jobs.")
        if index is None:
            if why != "gone":
                raise InfrastructureError(f"The examiner did not answer within {limit:.0f} s ({why}).")
            return  # all was run, and the examiner left
        if why == "gone" and code is None:  # the keeper tells how a student's process ends, always
            raise InfrastructureError("The process that starts the students' processes has ended.")
        self.timeouts += why == "timeout"
        status = {"gone": "killed"}.get(why, why)
        reply = Reply(status, False, seconds=seconds, limit=limit, exit_code=code)
        before = self._progress()
        self.done.replies[index] = reply
        self._leave_out(index, reply)
        for suspect in reversed(ended):  # has the cell been left out before, then one before it ends the process late
            if self._progress() != before:
                break
            self._leave_out(suspect, reply)

    def _leave_out(self, index: int, reply: Reply) -> None:
        """From now on without the answer in or behind this cell."""
        if self.kinds[index] == DEPENDENT:
            self.skipped.add(index)  # one answer among those that it calls is to blame, and its own test tells which
        elif self.kinds[index] == ANSWER or reply.status != "timeout":
            self.done.culprits.setdefault(self.exercise[index], reply)


def _reply(message: dict, seconds: float, limit: float) -> Reply:
    frames = [Frame(cell, line) for cell, line in message.get("frames", ())]
    return Reply(message["status"], message["status"] in {"ok", "error"}, message.get("ename", ""),
                 message.get("evalue", ""), frames, seconds, limit)


def _both(*starts: Callable[[], None]) -> list[InfrastructureError | None]:
    """Call all at the same time; what each failed with."""
    def guarded(start: Callable[[], None]) -> InfrastructureError | None:
        try:
            start()
        except InfrastructureError as error:
            return error
        return None

    with ThreadPoolExecutor(len(starts)) as pool:
        return list(pool.map(guarded, starts))
