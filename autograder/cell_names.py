"""Which names a piece of cell source binds and which it takes from other cells.

`symtable` tells scopes apart, so that a helper's local `x` is not the lesson's `x`; the statements of a cell are
read in order, so that a name bound first and read afterwards is not taken from elsewhere.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from dataclasses import dataclass, field

from nbformat import NotebookNode

from autograder.cells import is_solution

BUILTINS = frozenset(dir(builtins)) | {"get_ipython", "display", "__name__"}
_COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


@dataclass
class Names:
    """The names of one cell."""

    bound: set[str] = field(default_factory=set)  # at the top level: assigned, imported, defined
    imported: set[str] = field(default_factory=set)  # the part of `bound` that comes from import statements
    taken: set[str] = field(default_factory=set)  # read, but bound by other cells (or nowhere); no builtins


def of_source(source: str) -> Names:
    """The names of a cell; raises SyntaxError where it is not Python."""
    return of_statements(ast.parse(source).body)


def of_statements(statements: list[ast.stmt]) -> Names:
    names, later = Names(), set()
    _walk(statements, names, later)
    names.taken |= later - names.bound
    names.taken -= BUILTINS - names.bound
    return names


def of_function(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """The names that a function takes from outside itself."""
    statement = ast.Expr(function) if isinstance(function, ast.Lambda) else function
    names, later = Names(), set()
    _walk([ast.fix_missing_locations(statement)], names, later)
    own = {function.name} if not isinstance(function, ast.Lambda) else set()
    return (names.taken | later) - BUILTINS - own


def of_students(notebook: NotebookNode) -> set[str]:
    """The names that students define: those that the solution cells bind, imports apart."""
    found: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code" and is_solution(cell):
            try:
                names = of_source(cell.source)
            except SyntaxError:
                continue
            found |= names.bound - names.imported
    return found


def depending(notebook: NotebookNode, start: set[str]) -> tuple[set[int], set[str]]:
    """The code cells that read a name of `start`, or one bound by such a cell, and all names that this reaches.

    Solution cells are left out: what they bind is what `start` is made of.
    """
    reached, cells = set(start), set()
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or is_solution(cell):
            continue
        try:
            names = of_source(cell.source)
        except SyntaxError:
            continue
        if names.taken & reached:
            cells.add(index)
            reached |= names.bound - names.imported
    return cells, reached


def _walk(statements: list[ast.stmt], names: Names, later: set[str]) -> None:
    """Follow statements in order; `later` collects what function bodies will read when they are called."""
    for statement in statements:
        if isinstance(statement, ast.For | ast.AsyncFor):
            _expression(statement.iter, names, later)
            _simple(ast.Delete([statement.target]), names, later, binds=True)
            _walk([*statement.body, *statement.orelse], names, later)
        elif isinstance(statement, ast.While | ast.If):
            _expression(statement.test, names, later)
            _walk([*statement.body, *statement.orelse], names, later)
        elif isinstance(statement, ast.With | ast.AsyncWith):
            for item in statement.items:
                _expression(item.context_expr, names, later)
                if item.optional_vars is not None:
                    _simple(ast.Delete([item.optional_vars]), names, later, binds=True)
            _walk(statement.body, names, later)
        elif isinstance(statement, ast.Try):
            _walk(statement.body, names, later)
            for handler in statement.handlers:
                if handler.type is not None:
                    _expression(handler.type, names, later)
                if handler.name:
                    names.bound.add(handler.name)
                _walk(handler.body, names, later)
            _walk([*statement.orelse, *statement.finalbody], names, later)
        else:
            _simple(statement, names, later)


def _expression(expression: ast.expr, names: Names, later: set[str]) -> None:
    _simple(ast.Expr(expression), names, later)


def _simple(statement: ast.stmt, names: Names, later: set[str], *, binds: bool = False) -> None:
    # A loop's or with's target is handed over as `del target`, which reads and binds just what the target does.
    try:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
    except SyntaxError:  # such as a `return` outside a function: someone else's finding
        return
    reads, delayed = set(), set()
    _scan(table, reads, delayed)
    written = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        reads.add(statement.target.id)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        reads.discard(statement.name)
    if isinstance(statement, ast.Delete) and not binds:
        reads, written = reads | written, set()
    names.taken |= reads - names.bound
    names.bound |= written
    if isinstance(statement, ast.Import | ast.ImportFrom):
        names.imported |= written
    later |= delayed


def _scan(table: symtable.SymbolTable, reads: set[str], delayed: set[str]) -> None:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            reads.add(symbol.get_name())
    for child in table.get_children():
        at_once = child.get_type() == "class" or child.get_name() in _COMPREHENSIONS
        _scan(child, reads if at_once else delayed, delayed)
