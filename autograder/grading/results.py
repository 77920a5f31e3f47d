"""results/: what grading found of each student, one file each, so that no list of the class is ever in memory.

A student's file is written last of all that is written about a submission. Its key says what the result depends on;
see keys.py. results/UNIT.json holds what is the same for everyone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autograder.grading.feedback import title_of
from autograder.grading.lesson import Lesson
from autograder.grading.outcome import Outcome
from helpers.files import write_atomically

_VERSION = 1
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")  # no capitals: some file systems take Ann for ann


@dataclass
class Result:
    """One student's file.

    key: of what was graded. recorded: grade_id -> the answer that the points in the gradebook are for.
    """

    outcome: Outcome
    key: str = ""
    recorded: dict[str, str] = field(default_factory=dict)


class Results:
    """The results of one unit in `out`."""

    def __init__(self, out: Path, unit: str):
        self.out, self.unit = out, unit
        self.folder = out / "results" / unit

    def path(self, student: str) -> Path:
        return self.folder / f"{file_name(student)}.json"

    def read(self, student: str) -> Result | None:
        """None if there is none, or only what another version wrote."""
        return _read(self.path(student))

    def write(self, result: Result) -> None:
        data = {"version": _VERSION, "key": result.key, **result.outcome.as_dict()}
        if result.recorded != result.outcome.answers:
            data["recorded"] = result.recorded
        write_atomically(self.path(result.outcome.student), json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    def any(self) -> bool:
        """Was anything of this unit graded into here before?"""
        return next(self.folder.glob("*.json"), None) is not None

    def __iter__(self) -> Iterator[Result]:
        """Everyone's, one at a time."""
        for path in sorted(self.folder.glob("*.json")):
            result = _read(path) if not path.name.startswith(".") else None
            if result is not None:
                yield result

    def read_unit(self) -> dict:
        """title, exercises (name -> points, in order), pending (written answers to read), earlier (students of whom
        nothing came in the last batch); empty if there is none."""
        try:
            data = json.loads(self._unit_path.read_text(encoding="utf-8"))
            return data if isinstance(data, dict) else {}
        except (OSError, ValueError):
            return {}

    def write_unit(self, lesson: Lesson, pending: int, earlier: Iterable[str]) -> None:
        points = {name: sum(test.points for test in lesson.tests.values() if test.exercise == name)
                  for name in lesson.code_answers}
        data = {"unit": self.unit, "title": title_of(lesson), "max_auto": lesson.max_auto, "written": lesson.written,
                "exercises": {name: most for name, most in points.items() if most}, "pending": pending,
                "earlier": sorted(earlier)}
        write_atomically(self._unit_path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    @property
    def _unit_path(self) -> Path:
        return self.out / "results" / f"{self.unit}.json"


def file_name(student: str) -> str:
    """A name that every file system takes, another for every student."""
    if _PLAIN.fullmatch(student):
        return student
    digest = hashlib.sha256(student.encode("utf-8", errors="surrogatepass")).hexdigest()[:12]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', student)[:60]}-{digest}"


def _read(path: Path) -> Result | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != _VERSION:
            return None
        outcome = Outcome.from_dict(data)
        return Result(outcome, data["key"], data.get("recorded", outcome.answers))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
