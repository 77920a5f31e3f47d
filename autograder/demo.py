"""`course demo`: build, simulate a class, grade it on the real model, report, and say where everything is."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from rich.console import Console

from autograder.authoring.build import build
from autograder.course import Course
from autograder.errors import InfrastructureError, UsageError
from autograder.grading import grade
from autograder.reporting import report
from autograder.simulate import EXPECTED, differences, simulate
from helpers import models

UNIT = "04_logits_embeddings"
CELL_SECONDS = 30.0


def demo(course: Course, out: Path, unit: str = UNIT, jobs: int = 2, console: Console | None = None) -> Path:
    """Build the course, simulate a class, grade it, report; returns the path of the report.

    Prints the table to `console` and progress to stderr. Raises InfrastructureError if a grade is not the expected
    one, and UsageError rather than touch an `out` with real grades in it.
    """
    start, console, aside = time.monotonic(), console or Console(), Console(stderr=True, highlight=False)
    _clear(out)
    aside.print(f"1/4 Building {len(course.units)} units: student and self-study editions of each lesson.")
    build(course)
    aside.print("2/4 Simulating a class of 16 from the answer bank, and preparing the models it runs on.")
    submissions = simulate(course, unit, out)
    models.load()
    models.load_masked_lm()
    aside.print(f"3/4 Grading {unit}: every notebook runs on the real model, {jobs} at a time.")
    rows = grade(course, unit, submissions, out, jobs=jobs, cell_timeout=CELL_SECONDS, console=aside)
    aside.print("4/4 Reporting.")
    path = report(course, out, unit, console)
    wrong = differences(rows, out)
    if wrong:
        raise InfrastructureError("The simulated class was not graded as expected:\n" + "\n".join(wrong))
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    console.print(_where(out, unit, len(rows), f"{minutes} min {seconds} s"), highlight=False, soft_wrap=True)
    return path


def _clear(out: Path) -> None:
    """Take an earlier demo away, and nothing else."""
    if (out / "gradebook.db").exists() and not (out / EXPECTED).is_file():
        raise UsageError(f"{out} holds grades that are not a demo's; choose another --out.")
    for name in ("gradebook.db", "grades.csv", "report.html"):
        (out / name).unlink(missing_ok=True)
    for name in ("autograded", "feedback", "results", "source"):
        shutil.rmtree(out / name, ignore_errors=True)


def _where(out: Path, unit: str, count: int, took: str) -> str:
    try:
        shown = out.resolve().relative_to(Path.cwd())
    except ValueError:
        shown = out
    return f"""
All {count} students were graded as expected, in {took}.

  {shown}/report.html            the class at a glance: open it in a browser
  {shown}/grades.csv             one row a student
  {shown}/feedback/STUDENT/      what each student gets back
  {shown}/autograded/STUDENT/    the notebooks as they ran, for instructors
  {shown}/gradebook.db           nbgrader's gradebook

Next:
  make lab                                 open the lessons and try the exercises yourself
  cd {shown} && jupyter lab                read the written answers (Nbgrader > Formgrader), then: course report
  course grade {unit} --submissions FOLDER_OR_ZIP --out ANOTHER_FOLDER     grade your own class
"""
