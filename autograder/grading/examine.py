"""The seam: one submission in, its outcome out."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from nbformat import NotebookNode

from autograder.grading.lesson import Lesson
from autograder.grading.outcome import Outcome, status_of
from autograder.grading.reading import Unreadable, read_notebook
from autograder.grading.rebuild import Rebuilt, rebuild
from autograder.grading.reply import Executed
from autograder.grading.submissions import Submission
from autograder.grading.traceback_text import plain
from autograder.grading.verdicts import Verdict, deny, judge


@dataclass(frozen=True)
class Examined:
    """An executed notebook and the verdict on each of its tests."""

    notebook: NotebookNode
    verdicts: list[Verdict]


class Executes(Protocol):
    """What runs rebuilt notebooks: an Engine here, or a Cluster of them elsewhere."""

    def execute(self, notebook: NotebookNode, stopping: threading.Event | None = None) -> Executed: ...


def examine(lesson: Lesson, rebuilt: Rebuilt, engine: Executes, stopping: threading.Event | None = None) -> Examined:
    """Run a rebuilt notebook and judge its tests."""
    executed = engine.execute(rebuilt.notebook, stopping)
    return Examined(executed.notebook, judge(lesson, rebuilt, executed))


def grade_one(lesson: Lesson, submission: Submission, engine: Executes,
              stopping: threading.Event | None = None) -> Outcome:
    """Read, rebuild, run and judge one submission; touches no file but the student's."""
    if submission.path is None:
        return denied(lesson, submission.student, "missing", f"{_capital(submission.absence)}.", submission.notes)
    try:
        submitted = read_notebook(submission.path)
    except Unreadable as error:
        problem = f"{plain(submission.path.name)} {error}."
        return denied(lesson, submission.student, "unreadable", problem, submission.notes)
    rebuilt = rebuild(lesson, submitted)
    examined = examine(lesson, rebuilt, engine, stopping)
    return Outcome(submission.student, status_of(examined.verdicts), examined.verdicts, examined.notebook,
                   [*submission.notes, *rebuilt.notes])


def denied(lesson: Lesson, student: str, status: str, problem: str, notes: list[str] = (),
           final: bool = True) -> Outcome:
    """The outcome of a submission that could not be run."""
    return Outcome(student, status, deny(lesson, status, problem), None, list(notes), problem, final)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
