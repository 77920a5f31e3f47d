"""Grade every case as one class, in one call, with honest neighbours among them."""

from __future__ import annotations

import inspect
import io
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from rich.console import Console

from autograder.authoring.build import build
from autograder.course import Course
from autograder.grading import grade
from corpus import COURSE, FULL, HERE, NEIGHBOURS, UNIT, all_cases, hand_in
from stage import Stage, clear

# Short, since some cases use all of it; a submission of this course takes a second.
LIMITS = {"cell_timeout": 8.0, "notebook_timeout": 24.0, "memory": 1 << 30, "wall": "auto"}


@dataclass(frozen=True)
class Result:
    """How one case came out. wrong: what should not have happened, in clauses; empty where all is well."""

    score: float | None
    status: str
    reason: str
    wrong: tuple[str, ...]


@dataclass(frozen=True, repr=False)  # pytest would print all of it with every failure
class Class:
    results: dict[str, Result]
    out: Path
    secret: str
    seconds: float
    said: str  # on the console


def built_course(folder: Path) -> Course:
    shutil.copytree(COURSE, folder)
    shutil.copy(HERE.parents[1] / "nbgrader_config.py", folder)
    build(Course(folder))
    return Course(folder)


def grade_class(scratch: Path, jobs: int = 2, only: str = "", **more: object) -> Class:
    """only: part of the names of the cases to take; more: for `grade`, such as wall="none"."""
    course = built_course(scratch / "course")
    submissions, out = scratch / "class", scratch / "out"
    cases = [*NEIGHBOURS, *(case for case in all_cases() if only in case.name)]
    released = nbformat.read(course.release(UNIT), as_version=4)
    known = inspect.signature(grade).parameters
    limits = {name: value for name, value in {**LIMITS, **more}.items() if name in known}
    console = Console(file=io.StringIO())
    with Stage(scratch / "stage", course.root, submissions, out) as stage:
        for case in cases:
            hand_in(case, released, submissions / case.name, stage.values(case))
        start = time.monotonic()
        rows = {row.student: row for row in
                grade(course, UNIT, submissions, out, jobs=jobs, console=console, **limits)}
        seconds = time.monotonic() - start
        time.sleep(0.5)  # whatever ends with the box has ended
        stage.look()
        results = {}
        for case in cases:
            row = rows.get(case.name)
            if row is None:
                results[case.name] = Result(None, "", "", ("has no row",))
                continue
            wrong = [*case.wrong(row.score, row.status), *stage.evidence(case)]
            if row.max_score != FULL:
                wrong.append(f"has a maximum of {row.max_score:g}")
            if "course doctor" in row.reason:
                wrong.append("was taken for a failure of the machine")
            results[case.name] = Result(row.score, row.status, row.reason, tuple(wrong))
        for case in cases:
            clear(stage, case)
        return Class(results, out, stage.secret, seconds, console.file.getvalue())
