"""What runs where: on the trusted side, on the student's, or on both.

The lesson says it, never the submission. A cell of the instructor's that reads no name of a student's runs once for
the whole class, on both sides (`own`). One that does (`dependent`) runs on the student's side, and what it binds is
the student's from then on. Tests run on the trusted side alone.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from autograder import cell_names, cells
from autograder.grading.lesson import Lesson
from autograder.grading.steps import ANSWER, DEPENDENT, OWN, TEST, Step

_CONTAINERS = {"list", "dict", "set", "Counter", "defaultdict", "OrderedDict", "deque"}
_LITERALS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


@dataclass
class Reach:
    """Names that belong to the student's side so far, and which of them are functions or classes."""

    names: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


def steps_of(lesson: Lesson) -> list[Step]:
    """Every code cell of the lesson, in order."""
    found = []
    containers: set[str] = set()
    reach = _students(lesson)
    for index, cell in enumerate(lesson.notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        name = cells.grade_id(cell)
        if cells.is_solution(cell):
            found.append(Step(index, ANSWER, name))
            continue
        names = cell_names.of_source(cell.source)
        if cells.is_test(cell):
            taken = names.taken & reach.names
            functions = tuple(sorted(taken & reach.functions))
            found.append(Step(index, TEST, name, cell.source, functions, tuple(sorted(taken - set(functions)))))
        elif names.taken & reach.names:
            reach.names |= names.bound - names.imported
            reach.names |= _changed(cell.source) & containers
            reach.functions |= _defined(cell.source)
            found.append(Step(index, DEPENDENT, name, cell.source))
        else:
            containers |= _bound_containers(cell.source)
            found.append(Step(index, OWN, name, cell.source))
    return found


def _students(lesson: Lesson) -> Reach:
    """What the lesson's own answers define, and the stubs that students get."""
    reach = Reach()
    stubs = [cell.source for cell in lesson.answers.values() if cell.cell_type == "code"]
    for source in [*lesson.references, *stubs]:
        names = cell_names.of_source(source)
        reach.names |= names.bound - names.imported
        reach.functions |= _defined(source)
    return reach


def _defined(source: str) -> set[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return set()
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def _bound_containers(source: str) -> set[str]:
    """Names bound to a list, dict or set: another cell may fill them."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            call = isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name | ast.Attribute)
            name = getattr(node.value.func, "id", getattr(node.value.func, "attr", "")) if call else ""
            if isinstance(node.value, _LITERALS) or name in _CONTAINERS:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _changed(source: str) -> set[str]:
    """Names whose methods are called or whose items are set: `log.append(loss)`, `seen[key] = 1`, `log += [1]`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        method = node.func if isinstance(node, ast.Call) else None
        if isinstance(method, ast.Attribute) and isinstance(method.value, ast.Name):
            found.add(method.value.id)
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            for target in targets:
                if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                    found.add(target.value.id)
                if isinstance(node, ast.AugAssign) and isinstance(target, ast.Name):
                    found.add(target.id)
    return found
