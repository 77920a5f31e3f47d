"""The lesson that submissions are graded against: the release notebook with the hidden tests put back."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.utils import compute_checksum

from autograder import cells
from autograder.course import Course
from autograder.errors import AuthorError, UsageError
from autograder.grading.names import defined_names

NOT_RUN = {"lab", "demo"}  # tags of cells that only show something; no graded cell depends on them
_HIDDEN = re.compile(r"(BEGIN|END) HIDDEN TESTS")  # as nbgrader finds them


@dataclass(frozen=True)
class Test:
    """One autograded cell."""

    __test__ = False  # not a pytest class

    grade_id: str
    exercise: str  # the grade_id of the answer that it tests
    points: float
    source: str

    @cached_property
    def hidden_lines(self) -> frozenset[int]:
        """1-based numbers of the lines that students never see."""
        hidden, inside = set(), False
        for number, line in enumerate(self.source.split("\n"), 1):
            marker = _HIDDEN.search(line)
            if marker:
                inside = marker[1] == "BEGIN"
            elif inside:
                hidden.add(number)
        return frozenset(hidden)


@dataclass(frozen=True)
class Lesson:
    """A unit as grading needs it.

    notebook: what is run, with hidden tests, without cells that only show something. Copy it, never change it.
    shown: every cell of the release, as students got it. references: the source's own answers, from which the names
        that students define are read; grading never runs them.
    """

    unit: str
    notebook: NotebookNode
    shown: tuple[NotebookNode, ...]
    folder: Path | None = None  # the release of the unit
    files: tuple[Path, ...] = ()  # what lies beside the notebook there: small images, data
    references: tuple[str, ...] = ()

    @cached_property
    def answers(self) -> dict[str, NotebookNode]:
        """grade_id -> the cell that a student writes in, untouched; code and written answers alike."""
        return {cells.grade_id(cell): cell for cell in self.notebook.cells if cells.is_solution(cell)}

    @cached_property
    def code_answers(self) -> list[str]:
        return [name for name, cell in self.answers.items() if cell.cell_type == "code"]

    @cached_property
    def written(self) -> dict[str, float]:
        """grade_id -> points of the answers that a person grades."""
        return {cells.grade_id(cell): cells.points(cell) for cell in self.notebook.cells if cells.is_written(cell)}

    @cached_property
    def tests(self) -> dict[str, Test]:
        """grade_id -> test, in order."""
        found, exercise = {}, ""
        for cell in self.notebook.cells:
            if cells.is_solution(cell) and cell.cell_type == "code":
                exercise = cells.grade_id(cell)
            elif cells.is_test(cell):
                name = cells.grade_id(cell)
                found[name] = Test(name, exercise, cells.points(cell), cell.source)
        return found

    @property
    def max_auto(self) -> float:
        """All the points that running the notebook can give."""
        return sum(test.points for test in self.tests.values())

    def contents(self) -> dict[str, bytes]:
        """Path beside the notebook -> what is in the file there."""
        return {file.relative_to(self.folder).as_posix(): file.read_bytes() for file in self.files}

    def names(self, grade_id: str) -> list[str]:
        """The functions, classes or values that the stub of an answer defines."""
        return defined_names(self.answers[grade_id].source)


def load_lesson(course: Course, unit: str) -> Lesson:
    """Read release and source. Raises UsageError if they are not built, AuthorError if they do not belong together."""
    path = course.release(unit)
    if not path.is_file():
        raise UsageError(f"{unit} is not built: {path} is not there. Run `course build {unit}`.")
    release = nbformat.read(path, as_version=4)
    source = _source(course, unit)
    hidden = {cells.grade_id(cell): cell for cell in source.cells if cells.is_test(cell)}
    shown = {cells.grade_id(cell): cell for cell in release.cells if cells.is_test(cell)}
    stale = f"release/{unit} was not built from this source: {{}}. Run `course build {unit}`."
    if list(hidden) != list(shown):
        raise AuthorError(stale.format("the two have other tests"))
    notebook = deepcopy(release)
    notebook.cells = [cell for cell in notebook.cells if not NOT_RUN & set(cells.tags(cell))]
    for cell in notebook.cells:
        if cells.is_test(cell):
            name = cells.grade_id(cell)
            if without_hidden(hidden[name].source).strip() != cell.source.strip():
                raise AuthorError(stale.format(f"{name} differs"))
            if cells.points(cell) != cells.points(hidden[name]):
                raise AuthorError(stale.format(f"{name} has other points"))
            cell.source = hidden[name].source
            cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
    files = tuple(sorted(file for file in path.parent.rglob("*") if file.is_file() and file != path
                         and not any(part.startswith(".") for part in file.relative_to(path.parent).parts)))
    references = tuple(cell.source for cell in source.cells if cell.cell_type == "code" and cells.is_solution(cell))
    lesson = Lesson(unit, notebook, tuple(release.cells), path.parent, files, references)
    if not lesson.tests:
        raise AuthorError(f"{unit} has no autograded test: there is nothing to grade.")
    return lesson


def _source(course: Course, unit: str) -> NotebookNode:
    # The hand-written lesson goes before the notebook made from it, which may be of an older build.
    if course.source(unit).is_file():
        return jupytext.read(course.source(unit))
    if course.source_notebook(unit).is_file():
        return nbformat.read(course.source_notebook(unit), as_version=4)
    raise UsageError(f"{unit} has no source: neither {course.source(unit)} nor the notebook beside it is there.")


def without_hidden(source: str) -> str:
    """A test as the release shows it."""
    kept, inside = [], False
    for line in source.split("\n"):
        marker = _HIDDEN.search(line)
        if marker:
            inside = marker[1] == "BEGIN"
        elif not inside:
            kept.append(line)
    return "\n".join(kept)
