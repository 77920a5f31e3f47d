"""Where outcomes are written down, one after the other, by one thread."""

from __future__ import annotations

import contextlib
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.errors import InfrastructureError
from autograder.grading.examine import denied
from autograder.grading.feedback import write_feedback
from autograder.grading.gradebook import Gradebook
from autograder.grading.lesson import Lesson
from autograder.grading.outcome import Outcome, row
from autograder.grading.results import read_results, write_results
from autograder.grading.rows import Row, read_rows, write_rows
from autograder.grading.submissions import Submission
from helpers.files import write_atomically

EARLIER = "not among these submissions, the grade is of an earlier run"


class Desk:
    """Takes each outcome as it comes; `finish` writes what needs the whole class."""

    def __init__(self, lesson: Lesson, book: Gradebook, out: Path):
        self.lesson, self.book, self.out = lesson, book, out
        self.before = {row.student: row for row in read_rows(out / "grades.csv") if row.unit == lesson.unit}
        self.results = read_results(out, lesson.unit)
        self.outcomes: list[Outcome] = []
        self.rows: list[Row] = []  # of students about whom nothing more than their row is known
        # nbgrader's formgrader lists the assignments that have a folder in source/.
        (out / "source" / lesson.unit).mkdir(parents=True, exist_ok=True)

    def keep(self, submission: Submission) -> bool:
        """Somebody who was graded before and is not in this batch keeps that grade."""
        before = self.before.get(submission.student)
        if before is None or before.status == "missing":
            return False
        outcome = self._earlier(submission.student)
        if outcome is not None and EARLIER not in outcome.notes:
            outcome.notes.append(EARLIER)
        return True

    def keep_all(self) -> None:
        for student in self.before:
            self._earlier(student)

    def take(self, outcome: Outcome) -> None:
        """Write one outcome; if that fails, the student's row says so and the next one goes on."""
        try:
            self._take(outcome)
        except Exception as error:
            self.outcomes.append(denied(self.lesson, outcome.student, "error", crashed(error), final=False))

    def finish(self) -> list[Row]:
        """The table, the data of the reports, and the feedback pages, which show the scores."""
        counts = self.book.written_counts()
        rows = list(self.rows)
        for outcome in self.outcomes:
            standing = self.book.standing(outcome.student) if self.book.has_submission(outcome.student) else None
            rows.append(row(outcome, self.lesson, standing, counts))
            self.results[outcome.student] = {**outcome.as_dict(), "pending": list(standing.pending) if standing else []}
            path = self.out / "feedback" / outcome.student / self.lesson.unit / f"{self.lesson.unit}.html"
            write_feedback(path, outcome, rows[-1], self.lesson, standing)
        write_results(self.out, self.lesson, self.results)
        write_rows(self.out / "grades.csv", rows, self.lesson.unit)
        return sorted(rows, key=lambda one: one.student)

    def check_any(self) -> None:
        """Raises InfrastructureError if the machine failed for everyone."""
        ran = [outcome for outcome in self.outcomes if outcome.status != "missing"]
        if ran and not any(outcome.final for outcome in ran):
            raise InfrastructureError(f"No submission could be graded. {ran[0].problem}")

    def _take(self, outcome: Outcome) -> None:
        keeps = not outcome.final and self.book.has_submission(outcome.student)
        if outcome.status == "missing":
            self.book.add_students([outcome.student])
        elif not keeps:
            path = self._notebook(outcome.student)
            notebook = outcome.notebook or _placeholder(self.lesson, outcome.problem)
            self.book.record(outcome.student, outcome.verdicts, notebook, _read(path))
            write_atomically(path, nbformat.writes(notebook) + "\n")
        self.outcomes.append(outcome)

    def _earlier(self, student: str) -> Outcome | None:
        """Take up what an earlier run found of a student."""
        try:
            data = self.results[student]
            outcome = Outcome.from_dict(data, None if data["problem"] else _read(self._notebook(student)))
        except (KeyError, TypeError):  # results/ is gone, or of another version
            self.rows.append(self.before[student])
            return None
        self.outcomes.append(outcome)
        return outcome

    def _notebook(self, student: str) -> Path:
        return self.out / "autograded" / student / self.lesson.unit / f"{self.lesson.unit}.ipynb"


def _placeholder(lesson: Lesson, problem: str) -> NotebookNode:
    """The untouched lesson under a line that says why, so that nbgrader's formgrader can open it."""
    notebook = deepcopy(lesson.notebook)
    notebook.cells = [nbformat.v4.new_markdown_cell(f"**Not graded.** {problem}", id="not_graded"), *notebook.cells]
    return notebook


def _read(path: Path) -> NotebookNode | None:
    with contextlib.suppress(Exception):
        return nbformat.read(path, as_version=4)
    return None


def crashed(error: BaseException) -> str:
    said = " ".join(str(error).split())[:300]
    return f"Grading this submission failed ({type(error).__name__}: {said}); it is not the student's fault."
