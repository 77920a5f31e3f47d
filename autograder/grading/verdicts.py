"""What each test came to. Default deny: points only for a test that was run and of which the examiner said ok."""

from __future__ import annotations

from dataclasses import dataclass

from autograder import cells
from autograder.grading.lesson import Lesson, Test
from autograder.grading.messages import ended, explain
from autograder.grading.rebuild import Rebuilt
from autograder.grading.reply import Executed, Reply


@dataclass(frozen=True)
class Verdict:
    """One test cell's end.

    status: one of rows.STATUSES. message: for the student; it never holds what a hidden test compares with.
    hidden: the message comes from lines of the test that students do not see.
    answered: the answer it tests differs from the untouched cell.
    """

    test: str
    exercise: str
    status: str
    points: float
    max_points: float
    message: str = ""
    hidden: bool = False
    answered: bool = True
    seconds: float = 0.0


def judge(lesson: Lesson, rebuilt: Rebuilt, executed: Executed) -> list[Verdict]:
    """The verdict on every test of the lesson, in order."""
    index_of = {cells.grade_id(cell): i for i, cell in enumerate(executed.notebook.cells) if cells.is_test(cell)}
    return [_judge(test, index_of[name], lesson, rebuilt, executed) for name, test in lesson.tests.items()]


def deny(lesson: Lesson, status: str, message: str, answered: set[str] = frozenset()) -> list[Verdict]:
    """Verdicts on a submission that could not be run at all."""
    return [Verdict(test.grade_id, test.exercise, status, 0.0, test.points, message, False, test.exercise in answered)
            for test in lesson.tests.values()]


def _judge(test: Test, index: int, lesson: Lesson, rebuilt: Rebuilt, executed: Executed) -> Verdict:
    answered = test.exercise in rebuilt.answered
    reply = executed.replies.get(index)
    if reply is not None and reply.status == "ok" and reply.alive:
        return Verdict(test.grade_id, test.exercise, "passed", test.points, test.points, answered=answered,
                       seconds=reply.seconds)
    status, message, hidden = _failure(test, index, reply, lesson, rebuilt, executed)
    return Verdict(test.grade_id, test.exercise, status, 0.0, test.points, message, hidden, answered,
                   reply.seconds if reply else 0.0)


def _failure(test: Test, index: int, reply: Reply | None, lesson: Lesson, rebuilt: Rebuilt,
             executed: Executed) -> tuple[str, str, bool]:
    """status, message, hidden"""
    if reply is None:
        culprit = executed.culprits.get(test.exercise)
        if culprit is not None:
            return _ended(culprit), f"Not run: {ended(culprit, test.exercise)}", False
        if executed.out_of_time:
            return "timeout", "Not run: the time for the whole notebook was used up before this test.", False
        return "killed", "Not run: the Python process of this notebook ended too often.", False
    if reply.status == "error":
        cell = next((executed.replies.get(i) for i, one in enumerate(executed.notebook.cells)
                     if cells.is_solution(one) and cells.grade_id(one) == test.exercise), None)
        if cell is not None and cell.status == "timeout" and reply.ename == "NameError":
            return "timeout", f"Not run: {ended(cell, test.exercise)}", False
        broken = {cells.grade_id(executed.notebook.cells[i]): one for i, one in executed.replies.items()
                  if one.status == "error" and cells.is_solution(executed.notebook.cells[i])}
        return explain(test, index, reply, lesson, rebuilt, executed.notebook, broken)
    return _ended(reply), _sentence(ended(reply, test.exercise)), False


def _ended(reply: Reply) -> str:
    return {"output": "killed", "ok": "killed", "files": "memory"}.get(reply.status, reply.status)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
