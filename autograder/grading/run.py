"""`course grade`: from a folder or ZIP of submissions to gradebook, grades.csv, graded notebooks and feedback."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from autograder.course import Course
from autograder.errors import CourseError, UsageError
from autograder.grading.archive import unpack
from autograder.grading.desk import Desk, crashed
from autograder.grading.examine import denied, grade_one
from autograder.grading.gradebook import Gradebook
from autograder.grading.kernel import Stopped
from autograder.grading.lesson import Lesson, load_lesson
from autograder.grading.limits import CELL_SECONDS, NOTEBOOK_SECONDS, Limits
from autograder.grading.outcome import Outcome
from autograder.grading.pool import grade_all
from autograder.grading.rows import Row, read_rows
from autograder.grading.submissions import Lookup, Submission, find_submissions, read_roster


def grade(course: Course, unit: str, submissions: Path, out: Path, jobs: int = 2, cell_timeout: float = CELL_SECONDS,
          notebook_timeout: float = NOTEBOOK_SECONDS, console: Console | None = None,
          roster: Path | None = None) -> list[Row]:
    """Grade a class and return one row a student, sorted by name.

    submissions: a folder or a ZIP. cell_timeout, notebook_timeout: seconds. roster: a list of students, one a line
        or a CSV with a column `id`; who is on it (or in the gradebook) and handed in nothing is `missing`.
    Writes into `out`: gradebook.db (nbgrader's), grades.csv, autograded/STUDENT/UNIT/UNIT.ipynb (with hidden tests:
        for instructors), feedback/STUDENT/UNIT/UNIT.html and results/UNIT.json, which the reports are drawn from.
    Raises UsageError or AuthorError before anything is run, InfrastructureError if no submission could be run.
    """
    console = console or Console(stderr=True)
    lesson = load_lesson(course, unit)
    out.mkdir(parents=True, exist_ok=True)
    read_rows(out / "grades.csv")  # a table of somebody else's is found now, not after an hour
    stopping = threading.Event()
    threads = max(1, (os.cpu_count() or 1) // max(1, jobs))
    limits = Limits(cell=cell_timeout, notebook=max(cell_timeout, notebook_timeout), threads=threads)
    with _alone(out), _folder(submissions, console) as folder, Gradebook(out / "gradebook.db", lesson) as book:
        found = find_submissions(folder, _lookup(course, lesson))
        known = {*book.students(), *(read_roster(roster) if roster else ())}
        found += [Submission(student) for student in sorted(known - {one.student for one in found})]
        desk = Desk(lesson, book, out)
        waiting = [one for one in found if not (one.path is None and desk.keep(one))]
        for outcome in grade_all(
                waiting, lambda one: grade_one(lesson, one, limits, stopping),
                lambda one, error: _internal(lesson, one, error), jobs, console, stopping):
            desk.take(outcome)
        rows = desk.finish()
        desk.check_any()
        return rows


def refresh(course: Course, unit: str, out: Path) -> list[Row]:
    """Take up what people graded by hand since: rewrite grades.csv and the feedback pages, run nothing.

    Raises UsageError if the unit was never graded into `out`.
    """
    lesson = load_lesson(course, unit)
    if not (out / "gradebook.db").is_file() or not any(row.unit == unit for row in read_rows(out / "grades.csv")):
        raise UsageError(f"{out} has no grades of {unit}; run `course grade {unit}` first.")
    with _alone(out), Gradebook(out / "gradebook.db", lesson) as book:
        desk = Desk(lesson, book, out)
        desk.keep_all()
        return desk.finish()


def _lookup(course: Course, lesson: Lesson) -> Lookup:
    planned = course.settings.get("units", [])
    stubs = {name: cell.source for name, cell in lesson.answers.items()}
    return Lookup(lesson.unit, tuple({*planned, *course.units, lesson.unit}), stubs)


def _internal(lesson: Lesson, submission: Submission, error: BaseException) -> Outcome:
    if isinstance(error, Stopped | KeyboardInterrupt):
        raise KeyboardInterrupt from error
    problem = str(error) if isinstance(error, CourseError) else crashed(error)
    return denied(lesson, submission.student, "error", problem, submission.notes, final=False)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    (out / "results").mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / "results" / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"Another `course grade` writes into {out}; wait for it or choose another --out.") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _folder(submissions: Path, console: Console) -> Iterator[Path]:
    """The folder of submissions; a ZIP is unpacked for as long as it is needed."""
    if submissions.is_dir():
        yield submissions
        return
    if not submissions.is_file():
        raise UsageError(f"There are no submissions at {submissions}: give a folder or a ZIP.")
    with tempfile.TemporaryDirectory(prefix="submissions-") as folder:
        for note in unpack(submissions, Path(folder)):
            console.print(note, markup=False, highlight=False, style="yellow")
        yield Path(folder)
