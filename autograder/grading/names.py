"""The names that a cell's source binds and uses, as far as can be told without running it."""

from __future__ import annotations

import ast
import re
import warnings

_BINDS = re.compile(r"^(?:async[ ]+)?(?:def|class)[ ]+(\w+)|^(\w+)[ ]*(?::[^=\n]+)?=(?!=)", re.MULTILINE)


def defined_names(source: str) -> list[str]:
    """What the cell binds at its top level; by a rough look where it is not plain Python."""
    tree = _parsed(source)
    if tree is None:
        return [function or value for function, value in _BINDS.findall(source)]
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [alias.asname or alias.name.split(".")[0] for alias in node.names]
        else:
            names += [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys(names))


def used_names(source: str) -> set[str]:
    """What the cell reads anywhere in it."""
    tree = _parsed(source)
    if tree is None:
        return set(re.findall(r"[^\W\d]\w*", source))
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _parsed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a student's "\d" is no business of the instructor's terminal
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
