"""`course grade`: from a folder or ZIP of submissions to gradebook, grades.csv, graded notebooks and feedback."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from autograder.course import Course
from autograder.errors import CourseError, UsageError
from autograder.grading.archive import unpack
from autograder.grading.cluster import Cluster
from autograder.grading.database import choose, is_there, remember
from autograder.grading.desk import Desk, crashed
from autograder.grading.engine import Engine, Stopped
from autograder.grading.examine import Executes, denied, grade_one
from autograder.grading.gradebook import Gradebook
from autograder.grading.keys import Keys
from autograder.grading.lesson import Lesson, load_lesson
from autograder.grading.limits import CELL_SECONDS, MEMORY, NOTEBOOK_SECONDS, Limits
from autograder.grading.outcome import Outcome
from autograder.grading.pool import grade_all
from autograder.grading.results import Results
from autograder.grading.rows import Row, read_rows
from autograder.grading.submissions import Lookup, Submission, find_submissions, read_roster


def grade(course: Course, unit: str, submissions: Path, out: Path, jobs: int = 2, cell_timeout: float = CELL_SECONDS,
          notebook_timeout: float = NOTEBOOK_SECONDS, console: Console | None = None,
          roster: Path | None = None, db: str | None = None, again: bool = False, wall: str = "auto",
          scheduler: str | None = None, memory: int = MEMORY) -> list[Row]:
    """Grade a class and return one row a student, sorted by name.

    submissions: a folder or a ZIP. cell_timeout, notebook_timeout: seconds. roster: a list of students, one a line
        or a CSV with a column `id`; who is on it (or in the gradebook) and handed in nothing is `missing`.
    db: URL of the gradebook's database; see database.choose. again: run also what was graded before and is the same.
    wall: auto, bwrap or none, around the students' code. scheduler: address of a Dask scheduler whose workers do the
        work; default: this machine. memory: bytes that the processes of one submission may use together.
    Writes into `out`: gradebook.db (nbgrader's), grades.csv, autograded/STUDENT/UNIT/UNIT.ipynb,
        feedback/STUDENT/UNIT/UNIT.html and results/UNIT/, which resuming and the reports go by.
    Raises UsageError or AuthorError before anything is run, InfrastructureError if no submission could be run.
    """
    console = console or Console(stderr=True)
    lesson = load_lesson(course, unit)
    url = choose(out, db)
    out.mkdir(parents=True, exist_ok=True)
    read_rows(out / "grades.csv")  # a table of somebody else's is found now, not after an hour
    limits = Limits(cell=cell_timeout, notebook=max(cell_timeout, notebook_timeout), memory=memory)
    with ExitStack() as opened:
        opened.enter_context(_alone(out))
        folder = opened.enter_context(_folder(submissions, console))
        found = find_submissions(folder, _lookup(course, lesson))
        engine = _engine(course, lesson, limits, wall, scheduler, [out, folder])
        early = any(one.path is not None for one in found) and not Results(out, unit).any()
        if early:  # it is certain to be needed: it starts while the gradebook is made
            opened.enter_context(engine).warm_up()
        book = opened.enter_context(Gradebook(url, lesson))
        remember(out, url)
        known = {*book.students(), *(read_roster(roster) if roster else ())}
        found += [Submission(student) for student in sorted(known - {one.student for one in found})]
        desk, keys = Desk(lesson, book, out), Keys(course, lesson, limits)
        waiting: dict[str, str] = {}  # student -> key
        for one in found:
            key = keys.of(one)
            if not (one.path is None and desk.keep(one)) and (again or not desk.settled(one, key)):
                waiting[one.student] = key
        _say_unchanged(console, sum(one.path is not None for one in found if one.student not in waiting))
        todo = [one for one in found if one.student in waiting]
        if any(one.path is not None for one in todo):
            if not early:
                opened.enter_context(engine)
            _grade(todo, waiting, desk, lesson, engine, getattr(engine, "jobs", jobs), console)
        else:
            _grade(todo, waiting, desk, lesson, None, 1, console)
        rows = desk.finish(one.student for one in found)
        desk.check_any()
        return rows


def _grade(todo: list[Submission], keys: dict[str, str], desk: Desk, lesson: Lesson, engine: Executes | None, jobs: int,
           console: Console) -> None:
    """Grade `todo`, `jobs` at a time; the desk writes each outcome down before too many wait for it."""
    stopping = threading.Event()
    slots = threading.Semaphore(2 * max(1, jobs))  # outcomes hold notebooks: no more of them than are written

    def work(one: Submission) -> Outcome:
        while not slots.acquire(timeout=0.2):
            if stopping.is_set():
                raise Stopped
        return grade_one(lesson, one, engine, stopping)

    for outcome in grade_all(todo, work, lambda one, error: _internal(lesson, one, error), jobs, console, stopping):
        desk.take(outcome, keys[outcome.student])
        slots.release()


def _engine(course: Course, lesson: Lesson, limits: Limits, wall: str, scheduler: str | None,
            private: list[Path]) -> Engine | Cluster:
    if scheduler is not None:
        return Cluster(lesson, limits, wall, scheduler)
    hidden = [course.source(lesson.unit), course.bank(lesson.unit), *private]
    return Engine(lesson, limits, wall, hidden)


def refresh(course: Course, unit: str, out: Path, db: str | None = None) -> list[Row]:
    """Take up what people graded by hand since: rewrite grades.csv and the feedback pages, run nothing.

    Raises UsageError if the unit was never graded into `out`.
    """
    lesson, url = load_lesson(course, unit), choose(out, db)
    if not is_there(url) or not any(row.unit == unit for row in read_rows(out / "grades.csv")):
        raise UsageError(f"{out} has no grades of {unit}; run `course grade {unit}` first.")
    with _alone(out), Gradebook(url, lesson) as book:
        desk = Desk(lesson, book, out)
        return desk.finish(desk.everyone())


def _say_unchanged(console: Console, count: int) -> None:
    if count:
        were = "submission was graded before and is" if count == 1 else "submissions were graded before and are"
        console.print(f"{count} {were} unchanged: not run again (--again runs everything).", markup=False,
                      highlight=False, soft_wrap=True)


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
