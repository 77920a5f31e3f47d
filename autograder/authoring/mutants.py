"""Mutants of a reference solution: the same program with one small mistake in it.

Only what lies between the solution markers is changed. A mutant's description, `line text: before -> after`, has no
line number in it, so it stays the same when lines move; the bank's `equivalent` declarations rely on that.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

from autograder.authoring._mutations import variants

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
USUAL_MODULES = frozenset({"torch", "F", "nn", "math", "np", "random", "itertools", "re", "json", "collections"})


@dataclass(frozen=True)
class Mutant:
    """One mutant of a solution cell, ready to be executed in the lesson's namespace."""

    description: str
    line: int  # in the cell, from 1
    code: CodeType


def mutants(source: str, *, modules: frozenset[str] = USUAL_MODULES, filename: str = "<mutant>") -> list[Mutant]:
    """Every mutant of a solution cell, in the order of its lines.

    modules: names that are modules in the lesson, so that `torch.exp(x)` is seen as a function of x.
    """
    tree = ast.parse(source)
    lines, solution = _code_lines(source), _solution_lines(source)
    found: list[Mutant] = []
    seen, said = {ast.dump(tree)}, {}
    for site in _sites(tree, solution, modules):
        with site:
            dump = ast.dump(tree)
            code = None if dump in seen else _compiled(tree, filename)
        seen.add(dump)
        if code is None:
            continue
        line = lines[site.line - 1].strip().rstrip(":")
        text = f"{line}: dropped" if site.after is None else f"{line}: {site.before} -> {site.after}"
        said[text] = said.get(text, 0) + 1
        found.append(Mutant(text if said[text] == 1 else f"{text} [{said[text]}]", site.line, code))
    return sorted(found, key=lambda mutant: mutant.line)


def choose(every: list[Mutant], cap: int) -> list[Mutant]:
    """At most `cap` of them: always the same ones, and mostly the same ones when the solution is edited."""
    if len(every) <= cap:
        return every
    chosen = set(sorted((m.description for m in every), key=lambda d: hashlib.sha256(d.encode()).digest())[:cap])
    return [mutant for mutant in every if mutant.description in chosen]


class _Site:
    """A place in the tree, and what stands there within a `with` block."""

    def __init__(self, parent: ast.AST, field: str, index: int | None, new: ast.AST, line: int,
                 before: str, after: str | None):
        self.parent, self.field, self.index, self.new = parent, field, index, new
        self.line, self.before, self.after = line, before, after

    def __enter__(self):
        if not hasattr(self.new, "lineno"):  # a part of the tree that moves up keeps its own place
            ast.copy_location(self.new, self._get())
        self.old = self._put(self.new)

    def __exit__(self, *_):
        self._put(self.old)

    def _get(self) -> ast.AST:
        held = getattr(self.parent, self.field)
        return held if self.index is None else held[self.index]

    def _put(self, node: ast.AST) -> ast.AST:
        old = self._get()
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node
        return old


def _sites(tree: ast.AST, solution: set[int], modules: frozenset[str]) -> Iterator[_Site]:
    for parent, field, index, node in list(_walk(tree)):
        line = getattr(node, "lineno", None)
        if line not in solution:
            continue
        if isinstance(node, ast.stmt) and _may_be_dropped(node, tree):
            yield _Site(parent, field, index, ast.Pass(), line, ast.unparse(node), None)
        for before, after, new in variants(node, parent, field, modules):
            yield _Site(parent, field, index, new, line, before, after)


def _walk(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    # (parent, field, index, node) in the order of the text, without what no test looks at
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            # The wording of an error is not behaviour.
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr | ast.Raise | ast.expr_context):
                yield node, field, index, child
                yield from _walk(child)


def _may_be_dropped(statement: ast.stmt, tree: ast.AST) -> bool:
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Assign):
        # To drop the first binding of a name is a NameError, which says nothing about the tests.
        names = {n.id for target in statement.targets for n in ast.walk(target)
                 if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        return names <= _bound_before(statement, tree)
    return isinstance(statement, ast.AugAssign | ast.If | ast.For | ast.While | ast.Break | ast.Continue | ast.Delete)


def _bound_before(statement: ast.stmt, tree: ast.AST) -> set[str]:
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno < statement.lineno:
            bound.add(node.id)
    return bound


def _compiled(tree: ast.AST, filename: str) -> CodeType | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(ast.fix_missing_locations(tree), filename, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, TypeError):
            return None


def _solution_lines(source: str) -> set[int]:
    inside, lines = False, set()
    for number, line in enumerate(source.splitlines(), 1):
        if BEGIN in line:
            inside = True
        elif END in line:
            inside = False
        elif inside:
            lines.add(number)
    return lines


def _code_lines(source: str) -> list[str]:
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return lines
