"""What can be read off a test cell of the conventions for lesson tests; the numbers are those of that page."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograder import cell_names as names
from autograder.authoring.lint_core import Lesson, Problem, calls, dotted, rule
from autograder.cells import is_solution, is_test

BOUNDS = (ast.Lt, ast.LtE)
SIZES = {"abs", "fabs", "norm", "dist", "mse_loss", "l1_loss", "square", "pow"}  # what makes a difference two-sided



@rule("one-sided")  # 2
def one_sided(lesson: Lesson) -> Iterator[Problem]:
    """NaN and an empty tensor pass `not (d > tol).any()`, `d < tol` and `allclose`."""
    for index, tree in lesson.tests():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "allclose":
                yield lesson.at(index, "`allclose` is True of an empty tensor and looks at no dtype: use "
                                       f"`{lesson.check}.close`.", node.lineno)
            condition = _condition(lesson, node)
            if condition is None:
                continue
            negated = isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not)
            if negated and _ends(condition.operand, "any"):
                yield lesson.at(index, "NaN passes `not (...).any()`: say what must hold, through "
                                       f"`{lesson.check}.close` or `.all()`.", node.lineno)
            if isinstance(condition, ast.Compare) and _bare_difference(condition):
                yield lesson.at(index, "the difference is bounded on one side only: use "
                                       f"`{lesson.check}.close`, or `abs`.", node.lineno)


@rule("say-why")
def say_why(lesson: Lesson) -> Iterator[Problem]:
    """A bare assert tells the student nothing."""
    for index, tree in lesson.tests():
        for node in ast.walk(tree):
            if isinstance(node, ast.Assert) and node.msg is None:
                yield lesson.at(index, "the assert has no sentence for the student: `assert x, \"...\"` or "
                                       f"`{lesson.check}.that(x, \"...\")`.", node.lineno)


@rule("zip")  # 4
def strict_zip(lesson: Lesson) -> Iterator[Problem]:
    """zip without strict=True ends with the shorter list, so a truncated answer passes."""
    for index, tree in lesson.tests():
        given = _given_by_answers(lesson, tree)
        for call in calls(tree):
            strict = any(word.arg == "strict" and getattr(word.value, "value", None) is True for word in call.keywords)
            if dotted(call.func) == "zip" and len(call.args) > 1 and not strict and any(
                    _touches(argument, given) for argument in call.args):
                yield lesson.at(index, "zip over an answer needs strict=True, or a truncated one passes.", call.lineno)


@rule("private-names")  # 19
def private_names(lesson: Lesson) -> Iterator[Problem]:
    """What a test binds is read by no other cell."""
    for index, _ in lesson.tests():
        bound = lesson.names[index].bound - lesson.names[index].imported
        for other, _ in lesson.code():
            for name in sorted(bound & lesson.names[other].taken) if other != index else []:
                yield lesson.at(index, f"the test binds `{name}`, which the cell on line {lesson.starts[other]} reads; "
                                       "use another name.")


@rule("test-helpers")  # 20
def test_helpers(lesson: Lesson) -> Iterator[Problem]:
    """A test reads nothing of an instructor's cell that depends on answers."""
    _, reached = names.depending(lesson.notebook, lesson.students)
    own = {name for index, _ in lesson.code(lambda cell: is_test(cell) or is_solution(cell))
           for name in lesson.names[index].bound}
    for index, _ in lesson.tests():
        for name in sorted(lesson.names[index].taken & reached - lesson.students - own):
            yield lesson.at(index, f"the test reads `{name}`, which comes from a cell that calls answers: compute it "
                                   "in the test.")


@rule("bare-except")  # 21
def bare_except(lesson: Lesson) -> Iterator[Problem]:
    """A test that catches everything catches its own failure too."""
    for index, tree in lesson.tests():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                if any(kind is None or dotted(kind) in ("Exception", "BaseException") for kind in caught):
                    yield lesson.at(index, f"the test catches everything: use `{lesson.check}.raises` with the error "
                                           "that is wanted.", node.lineno)


def _given_by_answers(lesson: Lesson, tree: ast.Module) -> set[str]:
    """The answers' own names and those that the test binds to what they give."""
    given = set(lesson.students)
    for statement in tree.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign) and _touches(node.value, given):
                given |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return given


def _touches(node: ast.expr, wanted: set[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in wanted for part in ast.walk(node))


def _condition(lesson: Lesson, node: ast.AST) -> ast.expr | None:
    """What an assert or check.that demands."""
    if isinstance(node, ast.Assert):
        return node.test
    if isinstance(node, ast.Call) and dotted(node.func) == f"{lesson.check}.that" and node.args:
        return node.args[0]
    return None


def _ends(node: ast.expr, method: str) -> bool:
    """`node` is a call of `.method()` or `xx.method(...)`, perhaps through `bool(...)`, `.item()`."""
    while isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)
        if name == method:
            return True
        node = node.func.value if isinstance(node.func, ast.Attribute) else (node.args[0] if node.args else node.func)
    return False


def _bare_difference(compare: ast.Compare) -> bool:
    """`a - b < tol` or `tol > a - b`, with nothing that makes the difference a size."""
    sides = [compare.left, *compare.comparators]
    for operator, left, right in zip(compare.ops, sides, sides[1:], strict=False):
        small = left if isinstance(operator, BOUNDS) else right if isinstance(operator, ast.Gt | ast.GtE) else None
        large = right if small is left else left
        if small is None or not _subtracts(small) or not isinstance(large, ast.Constant | ast.Name):
            continue
        sized = any((node.attr if isinstance(node, ast.Attribute) else node.id) in SIZES
                    for node in ast.walk(small) if isinstance(node, ast.Attribute | ast.Name))
        if not sized and len(compare.ops) == 1:
            return True
    return False


def _subtracts(node: ast.expr) -> bool:
    """A difference, perhaps reduced: `(a - b).max()`."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)


