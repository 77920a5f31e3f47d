"""`course report`: the table in the terminal and report.html beside grades.csv."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from autograder.course import Course
from autograder.errors import UsageError
from autograder.grading import read_rows, refresh
from autograder.grading.rows import Row
from autograder.reporting.page import render
from autograder.reporting.summary import summarize
from autograder.reporting.table import print_table
from helpers.files import write_atomically


def report(course: Course, out: Path, unit: str | None = None, console: Console | None = None,
           db: str | None = None, rows: list[Row] | None = None) -> Path:
    """Print a table of the class and write `out`/report.html; returns its path.

    unit: one unit, or all that were graded into `out`. What people graded by hand since is taken up first.
    db: URL of the gradebook's database, if it is not that of the last run. rows: of `unit`, if it has only just been
        graded, so that nobody can have graded anything by hand.
    Raises UsageError if nothing was graded into `out`.
    """
    console = console or Console()
    graded = sorted({row.unit for row in read_rows(out / "grades.csv")})
    units = [unit] if unit else graded
    if not units or not set(units) <= set(graded):
        raise UsageError(f"{out} has no grades{f' of {unit}' if unit else ''}; run `course grade` first.")
    summaries = [summarize(out, one, refresh(course, one, out, db) if rows is None else rows) for one in units]
    for summary in summaries:
        print_table(summary, console)
    return write_atomically(out / "report.html", render(summaries, str(course.settings.get("title", "Grades"))))
