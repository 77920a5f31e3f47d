"""Run a lesson's cells in this process, in order and in one namespace, as grading would: no kernel, one thread.

A process that is to fork must have exactly one thread, so numpy and torch must be told before they are imported:
start Python with `environment()`.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
import traceback
from collections.abc import Mapping
from types import CodeType

from nbformat import NotebookNode

from autograder import single_thread
from autograder.authoring import percent
from autograder.cells import grade_id, tags
from autograder.course import Course
from autograder.errors import AuthorError

SKIPPED_TAGS = {"lab", "demo"}

_AS_IN_GRADING = {"NBGRADER_EXECUTION": "autograde", "MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1",
                  "HF_DATASETS_OFFLINE": "1", "PYTHONHASHSEED": "0"}


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which to start a Python that runs lessons and forks."""
    return {**(os.environ if base is None else base), **single_thread.ENVIRONMENT, **_AS_IN_GRADING}


def read_lesson(course: Course, unit: str) -> NotebookNode:
    """A unit's source as a notebook. Raises AuthorError where it cannot be read."""
    path = course.source(unit)
    try:
        return percent.read(path)
    except Exception as error:
        raise AuthorError(f"{path.name} is not a lesson in py:percent: {type(error).__name__}: {error}") from error


class Lesson:
    """A lesson's cells and the namespace in which they have been run so far."""

    def __init__(self, unit: str, notebook: NotebookNode):
        self.unit, self.notebook = unit, notebook
        self.namespace: dict = {"__name__": "__lesson__", "display": lambda *_, **__: None}

    def label(self, index: int) -> str:
        return grade_id(self.notebook.cells[index]) or f"cell {index + 1}"

    def runs(self, index: int) -> bool:
        """False for what grading leaves out: text, labs and demonstrations."""
        cell = self.notebook.cells[index]
        return cell.cell_type == "code" and not SKIPPED_TAGS & set(tags(cell))

    def run_cell(self, index: int) -> None:
        """Execute one cell of the source; what goes wrong in it is the author's error."""
        try:
            self.execute(self.notebook.cells[index].source, self.label(index))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise AuthorError(f"{self.unit}, {self.label(index)}: {told(error)}\n{trace(error)}") from error

    def execute(self, source: str, label: str) -> None:
        """Execute text in the namespace; tracebacks show its lines under `label`."""
        self.execute_code(self.compiled(source, label))

    def execute_code(self, code: CodeType) -> None:
        exec(code, self.namespace)

    def compiled(self, source: str, label: str) -> CodeType:
        filename = f"<{label}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        return compile(ast.parse(source, filename), filename, "exec", dont_inherit=True)

    @property
    def modules(self) -> frozenset[str]:
        """The names that are modules here."""
        return frozenset(name for name, value in self.namespace.items() if type(value) is type(sys))


def told(error: BaseException) -> str:
    """The failure as the last line of a traceback has it."""
    said = str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def trace(error: BaseException) -> str:
    """The lines of lesson cells that led to the error, outermost first."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<")]
    return "\n".join(f"  {frame.filename[1:-1]}, line {frame.lineno}: {frame.line}" for frame in frames)
