"""The trusted process: runs the tests of one submission, with proxies in the place of everything of the student's.

`python -m autograder.grading.examiner FD CONFIG` loads the lesson once and forks an examiner for each submission.
An examiner is told what to do by one frame, and reports each step's begin and end.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

from autograder.grading import forkserver
from autograder.grading.box import end_with_the_parent
from autograder.grading.handover import Shared
from autograder.grading.proxies import Student, StudentError, StudentGone, Tampered, TooMuchOutput
from autograder.grading.steps import OWN, TEST, Step
from autograder.grading.warm import LessonFailed, Warm, cell_of, compiled
from autograder.grading.wire import Channel, Gone, send_message
from helpers import checks

_LONGEST_ERROR = 4000


class Examiner:
    """One run through the lesson's cells, against one student's process."""

    def __init__(self, steps: list[Step], warm: Warm, student: Student, report: Channel):
        self.steps, self.warm, self.student, self.report = steps, warm, student, report

    def run(self, sources: Mapping[int, str], tests: set[int]) -> None:
        """sources: index -> what stands in an answer cell. tests: the indices of the tests that are wanted."""
        checks.run_beside_with(self.student.beside)
        for step in self.steps:
            if step.kind == OWN:
                self.warm.apply(step.index)
                self.student.own(step.index)
            elif step.kind != TEST:
                self._reported(step, lambda step=step: self.student.cell(
                    step.index, sources.get(step.index, step.source)))
            elif step.index in tests:
                self._reported(step, lambda step=step: self._test(step))

    def _test(self, step: Step) -> None:
        namespace = dict(self.warm.namespace)  # what a test binds is its own
        namespace |= {name: self.student.function(name) for name in step.functions}
        namespace |= {name: self.student.value(name) for name in step.values}
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            exec(compiled(step), namespace)

    def _reported(self, step: Step, action) -> None:
        self._tell({"begin": step.index})
        end = {"end": step.index, "status": "ok"}
        try:
            action()
        except TooMuchOutput:
            end["status"] = "output"
        except Tampered as error:
            end |= {"status": "tampered", "evalue": str(error)[:_LONGEST_ERROR]}
        except StudentGone:
            raise
        except BaseException as error:
            end |= {"status": "error", **told(error)}
        self._tell(end)

    def _tell(self, message: dict) -> None:
        self.report.send(json.dumps(message).encode())


def told(error: BaseException) -> dict:
    """An error as the verdict needs it: its name, its text, and the frames of cells that it went through."""
    frames = [(cell_of(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [frame for frame in frames if frame[0] is not None]
    name = type(error).__name__
    if isinstance(error, StudentError):
        name, own = error.name, [*own, *error.frames]
    elif frames and frames[-1][0] is None:
        own.append((None, frames[-1][1]))  # raised in a library, as by a check
    try:
        said = str(error)
    except Exception:
        said = ""
    return {"ename": name, "evalue": said[:_LONGEST_ERROR], "frames": own}


def main() -> int:
    control = socket.socket(fileno=int(sys.argv[1]))
    config = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    end_with_the_parent()
    os.chdir(config["work"])
    steps = [Step(**step) for step in config["steps"]]
    try:
        warm = Warm("__lesson__").run(steps)
    except LessonFailed as error:
        send_message(control, {"failed": str(error)})
        return 1
    for step in steps:
        if step.kind == TEST:
            compiled(step)  # a lesson that does not compile is found before anybody is graded
    shared = Shared(warm.everything)

    def start(message: dict, fds: list[int]) -> tuple[dict, list[int]]:
        pid = forkserver.fork(lambda: _be_an_examiner(steps, warm, shared, fds))
        return {"pid": pid}, [os.pidfd_open(pid)]

    forkserver.serve(control, start)
    return 0


def _be_an_examiner(steps: list[Step], warm: Warm, shared: Shared, fds: list[int]) -> None:
    end_with_the_parent()
    forkserver.close_all_but({2, *fds})
    forkserver.reset_signals()
    forkserver.reseed()
    student, report = (Channel(socket.socket(fileno=fd)) for fd in fds)
    with contextlib.suppress(Gone, StudentGone):
        header, _ = report.receive()
        job = json.loads(header)
        sources = {int(index): source for index, source in job["sources"].items()}
        Examiner(steps, warm, Student(student, shared), report).run(sources, set(job["tests"]))


if __name__ == "__main__":
    os._exit(main())  # to take the libraries down in order would take half a second, for nothing
