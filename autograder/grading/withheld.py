"""Keep back what only the hidden tests know, whatever a student's code puts into a message.

An answer is given the inputs of the hidden tests. It can return them, raise them, name a type after them, or keep
them and raise them under a visible test later, so that no text that passed through it can be trusted:

- Of a message from a hidden line stays the sentence that the lesson's author wrote for the student, and facts that
  hold no value: shapes, dtypes, counts, the type of an exception, the student's own line.
- In every other text the literals and names of the hidden lines are blotted out.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from autograder import cells
from autograder.grading.lesson import Lesson
from autograder.grading.verdicts import Verdict

BLOT = "…"
FALLBACK = "A check of the hidden test did not pass."
_SHORTEST = 4  # letters of a text, significant digits of a number: shorter ones stand in any sentence
_SHORTEST_NAME = 6
_OPENING = 12  # letters of the author's before a value, enough to tell that it is the author who speaks
_TYPES = r"(?:None|(?:a|the) (?:bool|int|float|str|bytes|list|tuple|set|frozenset|dict|function|generator)\b)"
_ARRAY = r"an? (?:tensor|numpy array) of shape \([\d, ]*\) and dtype \w+"
_ADVICE = r"(?:: [\w `.?]+(?:\(\)[\w `.?]+)?)?"
_FACT = re.compile(r"(?:at [\[\]\d]+: )?(?:" + "|".join((
    r"wanted shape \([\d, None]*\), got \([\d, ]*\)",
    rf"wanted (?:{_ARRAY}|None|an? \w+), got (?:{_ARRAY}|{_TYPES}(?: of length \d+)?){_ADVICE}",
    r"wanted a tensor of shape \([\d, None]*\), got " + _TYPES,
    r"wanted dtype \w+, got (?:(?:b?float|u?int|complex)\d+|bool)\b",
    r"wanted \d+ (?:entries|keys), got \d+(?:: \d+ missing, \d+ too many)?",
    r"\d+ of \d+ values are wrong",
    r"wanted \w+, but nothing was raised",
)) + ")")
_RAISED = re.compile(r"(?:The test stopped with )?(?P<name>\w+)(?::[ ]does .+|[ ]\(line \d+ of your .+)", re.DOTALL)
_EXCEPTIONS = {name for name, value in vars(builtins).items()
               if isinstance(value, type) and issubclass(value, BaseException)} | {"StudentError", "CheckFailed"}


class Withheld:
    """What the hidden tests of one lesson keep to themselves."""

    def __init__(self, lesson: Lesson):
        self.lesson = lesson

    def verdict(self, verdict: Verdict) -> Verdict:
        """The same with a message that may be told."""
        if not verdict.message:
            return verdict
        message = self._of_hidden(verdict) if verdict.hidden else self.text(verdict.message)
        return replace(verdict, message=message)

    def text(self, text: str) -> str:
        """`text` without the literals and names that only hidden lines hold."""
        return self._secret.sub(BLOT, text) if self._secret else text

    def _of_hidden(self, verdict: Verdict) -> str:
        message = verdict.message
        raised = _RAISED.fullmatch(message)
        if raised is None and verdict.status == "failed":
            said = self._author(message)
            match = _FACT.match(message[len(said):].removeprefix(" ("))
            fact = re.sub(r"\bthe (\w+)$", r"a \1", match[0]).replace(" a int", " an int") if match else ""
            if said and fact:
                return f"{said} ({fact})"
            return said or (f"{fact[:1].upper()}{fact[1:]}." if fact else FALLBACK)
        if raised is None and verdict.status == "error":
            return f"`{verdict.exercise}` stopped with an error in the hidden test."
        if raised is not None and raised["name"] not in _EXCEPTIONS:
            message = message.replace(raised["name"], "An error of its own kind", 1)
        return self.text(message)

    def _author(self, message: str) -> str:
        """The part of the message that stands in the lesson's source, "" if none does."""
        whole = [match[1] for pattern in self._sentences if (match := pattern.match(message))]
        if whole:
            return max(whole, key=len)
        return max((text for text in self._openings if message.startswith(text)), key=len, default="")

    @cached_property
    def _sentences(self) -> list[re.Pattern[str]]:
        """Texts of the instructor's cells, followed by what came in brackets or by nothing."""
        patterns = {re.escape(node.value) for tree, _ in self._trees() for node in _outside_asserts(tree)
                    if _is_text(node)}
        for tree, _ in self._trees():
            returned = _from_answers(tree, {name for answer in self.lesson.code_answers
                                            for name in self.lesson.names(answer)})
            for node in _outside_asserts(tree):
                if isinstance(node, ast.JoinedStr) and _is_text(node.values[0]) and not _names(node) & returned:
                    patterns.add("".join(re.escape(part.value) if _is_text(part) else ".*?" for part in node.values))
        return [re.compile(f"({pattern})(?: \\(|$)", re.DOTALL) for pattern in sorted(patterns) if pattern]

    @cached_property
    def _openings(self) -> list[str]:
        """Beginnings of what the instructor's cells put together with values."""
        texts = {node.values[0].value for tree, _ in self._trees() for node in _outside_asserts(tree)
                 if isinstance(node, ast.JoinedStr) and _is_text(node.values[0])}
        return [text.rstrip(" (:=,") for text in texts if len(text) >= _OPENING]

    @cached_property
    def _secret(self) -> re.Pattern[str] | None:
        shown = "\n".join(cell.source for cell in self.lesson.shown)
        found: set[str] = set()
        for tree, hidden in self._trees():
            for node in ast.walk(tree):
                if getattr(node, "lineno", 0) in hidden:
                    found.update(_spellings(node))
        words = sorted((word for word in found if word not in shown), key=len, reverse=True)
        return re.compile("|".join(map(_pattern, words))) if words else None

    def _trees(self) -> Iterator[tuple[ast.Module, frozenset[int]]]:
        """The instructor's code cells, each with the numbers of its hidden lines."""
        for cell in self.lesson.notebook.cells:
            if cell.cell_type != "code" or cells.is_solution(cell):
                continue
            test = self.lesson.tests.get(cells.grade_id(cell))
            try:
                yield ast.parse(cell.source), test.hidden_lines if test else frozenset()
            except (SyntaxError, ValueError):  # magics; no graded cell has any
                continue


def _outside_asserts(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those of `assert`: what these say is for whoever reads the test."""
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.Assert):
            yield child
            yield from _outside_asserts(child)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _from_answers(tree: ast.Module, answers: set[str]) -> set[str]:
    """The names that may hold what an answer gave back; in functions their arguments may."""
    found = set(answers)
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            found.update(argument.arg for argument in [*node.posonlyargs, *node.args, *node.kwonlyargs])
    before = -1
    while before != len(found):
        before = len(found)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
                if _names(node.value) & found:
                    found |= set().union(*map(_names, getattr(node, "targets", None) or [node.target]))
            elif isinstance(node, ast.For | ast.comprehension) and _names(node.iter) & found:
                found |= _names(node.target)
    return found


def _spellings(node: ast.AST) -> set[str]:
    """How a literal or a name may look in a text."""
    if isinstance(node, ast.Name):
        return {node.id} if len(node.id) >= _SHORTEST_NAME else set()
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode("latin-1")
        return {text, repr(text)[1:-1]} if len(text.strip()) >= _SHORTEST else set()
    if isinstance(value, int | float) and not isinstance(value, bool):
        digits = re.sub(r"\D", "", f"{value:.15g}".split("e")[0]).strip("0")
        return {repr(value), f"{value:.15g}"} if len(digits) >= _SHORTEST else set()
    return set()


def _pattern(word: str) -> str:
    """A name or a number is met only whole; a text wherever it stands."""
    text = re.escape(word)
    return rf"(?<![\w.]){text}(?!\w)" if word.isidentifier() or word[:1].isdigit() else text
