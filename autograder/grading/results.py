"""results/UNIT.json: every verdict of the class, as plain data that the reports are drawn from."""

from __future__ import annotations

import json
from pathlib import Path

from autograder.grading.feedback import title_of
from autograder.grading.lesson import Lesson
from helpers.files import write_atomically


def read_results(out: Path, unit: str) -> dict[str, dict]:
    """student -> Outcome.as_dict(), of the last time each was graded."""
    try:
        return json.loads(_path(out, unit).read_text(encoding="utf-8"))["students"]
    except (OSError, ValueError, KeyError):
        return {}


def read_unit(out: Path, unit: str) -> dict:
    """title, exercises (name -> points, in order) and students."""
    return json.loads(_path(out, unit).read_text(encoding="utf-8"))


def write_results(out: Path, lesson: Lesson, students: dict[str, dict]) -> None:
    points = {name: sum(test.points for test in lesson.tests.values() if test.exercise == name)
              for name in lesson.code_answers}
    data = {"unit": lesson.unit, "title": title_of(lesson), "max_auto": lesson.max_auto, "written": lesson.written,
            "exercises": {name: most for name, most in points.items() if most},
            "students": dict(sorted(students.items()))}
    write_atomically(_path(out, lesson.unit), json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def _path(out: Path, unit: str) -> Path:
    return out / "results" / f"{unit}.json"
