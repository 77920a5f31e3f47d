"""`course demo`: a simulated class, graded on the real model and compared with what its grades must come to."""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys
import time
from pathlib import Path

import nbformat
from rich.console import Console

from autograder import cells
from autograder.authoring.bank import load_bank
from autograder.authoring.build import build
from autograder.cast import NOT_PASSED, Cast, Student
from autograder.course import Course
from autograder.errors import InfrastructureError, UsageError
from autograder.grading import Row, grade
from autograder.grading.database import sqlite
from autograder.grading.lesson import Lesson, load_lesson
from autograder.grading.results import Results
from autograder.reporting import report
from helpers import models
from helpers.files import write_atomically

EXPECTED = "expected.json"
UNIT = "04_logits_embeddings"
CELL_SECONDS = 30.0


def simulate(course: Course, unit: str, out: Path, n: int = 16, seed: int = 0) -> Path:
    """Write `n` submissions to `out`/submitted and what is expected of them to `out`/expected.json.

    The first 16 are the cast below; more are students with some answers of the bank wrong, drawn with `seed`.
    Returns the folder of submissions. Raises UsageError rather than write over submissions that are not simulated.
    """
    folder = out / "submitted"
    if folder.exists() and not (out / EXPECTED).is_file():
        raise UsageError(f"{folder} holds submissions that are not simulated; choose another --out.")
    lesson = load_lesson(course, unit)
    students = Cast(course, lesson, load_bank(course, unit), seed).students(n)
    shutil.rmtree(folder, ignore_errors=True)
    for student in students:
        write_submission(student, folder, lesson)
    expected = {student.name: _expected(student, lesson) for student in students}
    write_atomically(out / EXPECTED, json.dumps({"unit": unit, "students": expected}, indent=1) + "\n")
    return folder


def differences(rows: list[Row], out: Path) -> list[str]:
    """Where the grades are not what the simulation expects, one sentence each."""
    data = json.loads((out / EXPECTED).read_text(encoding="utf-8"))
    results = Results(out, data["unit"])
    got = {row.student: row for row in rows}
    said = []
    for name, want in data["students"].items():
        row = got.get(name)
        if row is None:
            said.append(f"{name} has no row.")
            continue
        status_fits = row.status == want["status"] or (want["status"] == NOT_PASSED and row.status != "passed")
        if (row.score, row.max_score) != (want["score"], want["max_score"]) or not status_fits:
            said.append(f"{name}: wanted {want['score']:g} of {want['max_score']:g} and {want['status']}, got "
                        f"{row.score:g} of {row.max_score:g} and {row.status} ({row.reason})")
        result = results.read(name)
        messages = [verdict.message for verdict in result.outcome.verdicts] if result else []
        if not any(want["note"].lower() in text.lower() for text in [row.reason, *messages]):
            said.append(f"{name}: nothing says {want['note']!r}: {row.reason}")
    return said


def demo(course: Course, out: Path, unit: str = UNIT, jobs: int = 2, console: Console | None = None) -> Path:
    """Build the course, simulate a class, grade it, report; returns the path of the report.

    Prints the table to `console` and progress to stderr. Raises InfrastructureError if a grade is not the expected
    one, and UsageError rather than touch an `out` with real grades in it.
    """
    start, console, aside = time.monotonic(), console or Console(), Console(stderr=True, highlight=False)
    _clear(out)
    aside.print("1/4 Building the student and self-study editions of " + ", ".join(course.units) + ".")
    build(course)
    aside.print("2/4 Simulating a class of 16 from the answer bank, and preparing the models it runs on.")
    submissions = simulate(course, unit, out)
    models.load()
    models.load_masked_lm()
    aside.print(f"3/4 Grading {unit}: every notebook runs on the real model, {jobs} at a time.")
    book = sqlite(out / "gradebook.db")  # whatever the environment names: nobody wants these students in it
    rows = grade(course, unit, submissions, out, jobs=jobs, cell_timeout=CELL_SECONDS, console=aside, db=book)
    aside.print("4/4 Reporting.")
    path = report(course, out, unit, console, db=book)
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
    """What to look at and what to type next, with paths that work from the current folder."""
    here, scripts = _from(Path.cwd(), out), _from(Path.cwd(), Path(sys.executable).parent)
    from_out = _from(out, Path(sys.executable).parent)
    return f"""
All {count} students were graded as expected, in {took}.

  {here}/report.html             the class at a glance: open it in a browser
  {here}/grades.csv              one row a student
  {here}/feedback/STUDENT/       what each student gets back
  {here}/autograded/STUDENT/     the notebooks as they ran, for instructors
  {here}/gradebook.db            nbgrader's gradebook

Next:
  try the exercises yourself     make lab
  read the written answers       cd {here} && {from_out}/jupyter lab    (then Nbgrader > Formgrader)
  and take up their points       {scripts}/course report {unit} --out {here}
  grade a class of your own      {scripts}/course grade {unit} --submissions FOLDER_OR_ZIP --out ANOTHER_FOLDER
"""


def _from(start: Path, target: Path) -> str:
    """`target` as one types it in `start`; whole where it lies elsewhere."""
    start, target = start.absolute(), target.absolute()
    relative = os.path.relpath(target, start)
    return str(target) if relative.count("..") > 2 else relative


def write_submission(student: Student, folder: Path, lesson: Lesson) -> None:
    """Write what a simulated student hands in below `folder`."""
    notebook = nbformat.v4.new_notebook(metadata=copy.deepcopy(lesson.notebook.metadata))
    notebook.cells = copy.deepcopy(list(lesson.shown))
    for cell in notebook.cells:
        if cells.is_solution(cell) and cells.grade_id(cell) in student.answers:
            cell.source = student.answers[cells.grade_id(cell)]
    if student.edit:
        student.edit(notebook)
    text = nbformat.writes(notebook)
    target = folder / student.name / (student.filename or f"{lesson.unit}/{lesson.unit}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text[: len(text) // 2] if student.cut else text, encoding="utf-8")


def _expected(student: Student, lesson: Lesson) -> dict:
    lost = sum(test.points for test in lesson.tests.values() if test.exercise in student.lost)
    return {"score": lesson.max_auto - lost, "max_score": lesson.max_auto, "status": student.status,
            "note": student.note}
