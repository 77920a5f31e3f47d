"""What a result depends on, as one short text: while it stays the same, a submission need not be run again."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from importlib import metadata
from pathlib import Path

import nbformat

import autograder
import helpers
from autograder.course import Course
from autograder.grading.lesson import Lesson
from autograder.grading.limits import Limits
from autograder.grading.reading import Unreadable, read_bytes
from autograder.grading.submissions import Submission

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "nbgrader", "ipykernel")


class Keys:
    """The keys of one unit's submissions in this environment."""

    def __init__(self, course: Course, lesson: Lesson, limits: Limits):
        self.course, self.lesson, self.limits = course, lesson, limits

    def of(self, submission: Submission) -> str:
        """A hash over the student's file, the unit and the environment."""
        said = [submission.student, submission.absence, *submission.notes]
        if submission.path is not None:
            said.append(submission.path.name)
            try:
                said.append(hashlib.sha256(read_bytes(submission.path)).hexdigest())
            except Unreadable as error:
                said.append(str(error))
        return _hash([self.unit, self.environment, *said])

    @cached_property
    def unit(self) -> str:
        """Of the release, the tests and the files that lie beside them."""
        parts = [self.lesson.unit, nbformat.writes(self.lesson.notebook), *(json.dumps(c) for c in self.lesson.shown)]
        for file in self.lesson.files:
            parts += [str(file.relative_to(self.lesson.folder)), _of_file(file)]
        return _hash(parts)

    @cached_property
    def environment(self) -> str:
        """Of the course's code, Python, the packages that compute, the model's wheels and the limits."""
        limits = {name: repr(value) for name, value in asdict(self.limits).items()}
        wheels = self.course.settings.get("data-wheels", {})
        parts = [platform.python_version(), platform.machine(), json.dumps(limits, sort_keys=True)]
        parts += [f"{name}=={_version(name)}" for name in (*PACKAGES, *sorted(wheels))]
        code, lessons = Path(autograder.__file__).parent, Path(helpers.__file__).parent
        files = [*code.glob("*.py"), *(code / "grading").rglob("*.py"), *lessons.rglob("*")]
        for file in sorted(file for file in files if file.is_file() and "__pycache__" not in file.parts):
            parts += [str(file.relative_to(code.parent)), _of_file(file)]
        return _hash(parts)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(parts: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", errors="surrogatepass")
        whole.update(f"{len(raw)}:".encode() + raw)
    return whole.hexdigest()
