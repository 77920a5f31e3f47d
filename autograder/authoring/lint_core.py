"""What every lint rule sees (a `Lesson`) and says (a `Problem`), and the registry that collects the rules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from nbformat import NotebookNode

from autograder import cell_names as names
from autograder.authoring import percent
from autograder.cells import is_solution, is_test, tags
from autograder.course import Course

SKIPPED = {"lab", "demo"}  # tags of cells that grading does not run


@dataclass(frozen=True)
class Problem:
    """One finding: where, and in one sentence what is wrong and what to do."""

    path: str  # relative to the course folder
    line: int
    message: str
    rule: str = ""
    warning: bool = False  # reported, but no reason to fail

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        return f"{self.path}:{self.line}: {kind}{self.message} [{self.rule}]"


@dataclass
class Lesson:
    """A lesson's source, read once for all rules."""

    course: Course
    unit: str
    text: str
    notebook: NotebookNode

    @classmethod
    def read(cls, course: Course, unit: str) -> Lesson:
        text = course.source(unit).read_text(encoding="utf-8")
        return cls(course, unit, text, percent.reads(text))

    @property
    def path(self) -> str:
        return self.course.source(self.unit).relative_to(self.course.root).as_posix()

    @cached_property
    def starts(self) -> list[int]:
        return percent.first_lines(self.text, self.notebook)

    @cached_property
    def trees(self) -> list[ast.Module | None]:
        """The syntax tree of each code cell; None for prose and for what is not Python."""
        return [_parsed(cell) for cell in self.notebook.cells]

    @cached_property
    def names(self) -> list[names.Names]:
        return [names.of_statements(tree.body) if tree else names.Names() for tree in self.trees]

    @cached_property
    def students(self) -> set[str]:
        """The names that students define."""
        return names.of_students(self.notebook)

    @cached_property
    def check(self) -> str:
        """The name under which the lesson imports helpers.checks."""
        for tree in filter(None, self.trees):
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module == "helpers":
                    for alias in node.names:
                        if alias.name == "checks":
                            return alias.asname or alias.name
        return "check"

    def cells(self, wanted: Callable[[NotebookNode], bool] = lambda cell: True) -> Iterator[tuple[int, NotebookNode]]:
        return ((index, cell) for index, cell in enumerate(self.notebook.cells) if wanted(cell))

    def code(self, wanted: Callable[[NotebookNode], bool] = lambda cell: True) -> Iterator[tuple[int, ast.Module]]:
        """The code cells that are Python, with their trees."""
        return ((index, tree) for index, tree in enumerate(self.trees)
                if tree is not None and wanted(self.notebook.cells[index]))

    def tests(self) -> Iterator[tuple[int, ast.Module]]:
        return self.code(is_test)

    def graded(self) -> Iterator[tuple[int, ast.Module]]:
        """Solution and test cells."""
        return self.code(lambda cell: is_test(cell) or is_solution(cell))

    def at(self, index: int, message: str, line: int = 1) -> Problem:
        """A problem on a line (from 1) of a cell."""
        return Problem(self.path, self.starts[index] + line - 1, message)

    def here(self, message: str) -> Problem:
        """A problem of the lesson as a whole."""
        return Problem(self.path, 1, message)


Rule = Callable[[Lesson], Iterator[Problem]]
RULES: dict[str, Rule] = {}
LEAKS: set[str] = set()  # rules without which an answer could reach a student: a build insists on them


def rule(name: str, *, leak: bool = False) -> Callable[[Rule], Rule]:
    """Register a rule under `name`, which its findings carry."""

    def register(function: Rule) -> Rule:
        RULES[name] = function
        if leak:
            LEAKS.add(name)
        return function

    return register


def run(lesson: Lesson, only: set[str] | None = None) -> list[Problem]:
    """The findings of all rules (or of `only`), in the order of the file."""
    found = [replace(problem, rule=name) for name, function in RULES.items() if only is None or name in only
             for problem in function(lesson)]
    return sorted(found, key=lambda problem: (problem.path, problem.line, problem.rule))


def is_run(cell: NotebookNode) -> bool:
    """Grading runs it."""
    return not SKIPPED & set(tags(cell))


def dotted(node: ast.AST) -> str:
    """`torch.autograd.grad` for such an expression, "" for anything but names and attributes."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def root(node: ast.AST) -> str:
    """The name that an expression such as `model.layers[0].weight` starts from, "" where it starts otherwise."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def _parsed(cell: NotebookNode) -> ast.Module | None:
    if cell.cell_type != "code":
        return None
    try:
        return ast.parse(cell.source)
    except SyntaxError:
        return None
