"""What runs next to the answer (`check.beside(function, ...)`) and what runs on the test's own side."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograder.authoring.lint_core import Lesson, calls, dotted

Function = ast.FunctionDef | ast.Lambda


def is_beside(lesson: Lesson, call: ast.Call) -> bool:
    return dotted(call.func) in (f"{lesson.check}.beside", "beside") and bool(call.args)


def functions(lesson: Lesson, tree: ast.Module) -> list[Function]:
    """The functions of this cell that `beside` runs, those that they call included."""
    defined = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found: list[Function] = []
    for call in calls(tree):
        if is_beside(lesson, call):
            first = call.args[0]
            if isinstance(first, ast.Lambda):
                found.append(first)
            elif isinstance(first, ast.Name) and first.id in defined:
                found.append(defined[first.id])
    for function in found:  # the list grows while it is read
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id in defined and defined[node.id] not in found:
                found.append(defined[node.id])
    return found


def outside(lesson: Lesson, tree: ast.Module) -> Iterator[ast.AST]:
    """Every node of the cell but those in functions that `beside` runs."""
    skipped = {id(function) for function in functions(lesson, tree)}
    queue: list[ast.AST] = [tree]
    while queue:
        node = queue.pop()
        if id(node) in skipped:
            continue
        yield node
        queue.extend(ast.iter_child_nodes(node))
