"""The answer bank of a unit: wrong, right and equivalent, declared in tests/units/bank_NN_unit.py.

    @wrong("softmax", says="overflow")           # `says`: part of the failure message, in any case
    def forgets_the_maximum(x, dim=-1):
        return x.exp() / x.exp().sum(dim, keepdim=True)

    @right("softmax")
    def through_the_log(x, dim=-1):
        return (x - x.logsumexp(dim, keepdim=True)).exp()

    equivalent("softmax", "x.amax(dim, keepdim=True) -> x.amax(dim)", why="x is one row here")

What counts is the *source* of a function: its decorator is stripped, it gets the exercise's name, and it takes the
reference's place in the lesson's namespace. So it may use any name of the lesson (torch, F, model, earlier
exercises) and none of the bank's own: helpers are nested inside.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
import textwrap
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course import Course
from autograder.errors import AuthorError


@dataclass(frozen=True)
class Answer:
    """One answer to an exercise, as a student might hand it in."""

    exercise: str
    name: str  # the bank function's own name: the misconception, or the other way of writing it
    right: bool
    says: str  # what the failure message must contain; "" for a right answer
    source: str  # the answer, named as the exercise is


@dataclass(frozen=True)
class Equivalent:
    """Mutants of the reference that no behaviour can tell apart from it.

    `mutant` is a part of the mutant's description, `line text: before -> after`; spaces count as one.
    """

    exercise: str
    mutant: str
    why: str

    def matches(self, description: str) -> bool:
        return " ".join(self.mutant.split()) in " ".join(description.split())


@dataclass
class Bank:
    """What one bank file declares, in its order."""

    unit: str = ""
    answers: list[Answer] = field(default_factory=list)
    equivalents: list[Equivalent] = field(default_factory=list)

    def wrong(self, exercise: str) -> list[Answer]:
        return [answer for answer in self.answers if answer.exercise == exercise and not answer.right]

    def right(self, exercise: str) -> list[Answer]:
        return [answer for answer in self.answers if answer.exercise == exercise and answer.right]

    def equivalent(self, exercise: str) -> list[Equivalent]:
        return [one for one in self.equivalents if one.exercise == exercise]

    def strangers(self, exercises: list[str]) -> list[str]:
        """Declarations for exercises that the unit does not have, one sentence each."""
        named = {one.exercise: None for one in [*self.answers, *self.equivalents]}
        return [f"bank_{self.unit}.py names an exercise {name!r} that the unit does not have; "
                f"it has: {', '.join(exercises) or 'none'}." for name in named if name not in exercises]


_current = Bank()  # what the declarations below fill; `load_bank` puts a fresh one here


def wrong(exercise: str, *, says: str) -> Callable:
    """Declare a wrong answer; the message of the test that fails must contain `says`."""
    if not says.strip():
        raise AuthorError(f"A wrong answer to {exercise} says nothing: give the words its failure message must have.")
    return _declare(exercise, right=False, says=says)


def right(exercise: str) -> Callable:
    """Declare a right answer that is written otherwise than the reference."""
    return _declare(exercise, right=True, says="")


def equivalent(exercise: str, mutant: str, *, why: str) -> None:
    """Declare that mutants of the reference behave as it does; each must exist and survive, or it is an error."""
    if not mutant.strip() or not why.strip():
        raise AuthorError(f"An equivalent mutant of {exercise} needs a part of its description and a reason (why=).")
    _current.equivalents.append(Equivalent(exercise, mutant, why))


def answer_source(answer: Callable | type, exercise: str) -> str:
    """The source of a bank function or class as an answer to `exercise`: no decorators, its name, comments kept."""
    linecache.checkcache()
    text = textwrap.dedent(inspect.getsource(answer))
    node = ast.parse(text).body[0]
    lines = text.splitlines()
    places = [(n.lineno, n.col_offset) for n in ast.walk(node)
              if isinstance(n, ast.Name) and n.id == answer.__name__ and n.lineno >= node.lineno]
    for line, column in sorted(places, reverse=True):  # recursion: the answer calls itself by its own name
        raw = lines[line - 1].encode()  # ast counts columns in bytes
        lines[line - 1] = (raw[:column] + exercise.encode()
                           + raw[column + len(answer.__name__.encode()):]).decode()
    head = node.lineno - 1
    lines[head] = re.sub(rf"^(def|class)(\s+){answer.__name__}\b", rf"\1\2{exercise}", lines[head])
    return "\n".join(lines[head:]).rstrip() + "\n"


def load_bank(course: Course, unit: str) -> Bank:
    """Read a unit's bank. Raises AuthorError where it is missing, does not run, or is not self-contained."""
    path = course.bank(unit)
    if not path.is_file():
        raise AuthorError(f"Unit {unit} has no answer bank: write {path.relative_to(course.root)}.")
    return read_bank(path, unit)


def read_bank(path: Path, unit: str) -> Bank:
    """Run one bank file and return what it declares."""
    global _current
    text = path.read_text(encoding="utf-8")
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    before, _current = _current, Bank(unit)
    sys.modules[path.stem] = module  # `inspect` finds the source of a class through its module
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
        bank = _current
    except AuthorError as error:
        raise AuthorError(f"{path.name}: {error}") from error
    except Exception as error:
        line = getattr(error, "lineno", None) or _line_in(error, str(path))
        raise AuthorError(f"{path.name}, line {line}: {type(error).__name__}: {error}") from error
    finally:
        _current = before
        del sys.modules[path.stem]
    _self_contained(bank, ast.parse(text), path.name)
    return bank


def _declare(exercise: str, *, right: bool, says: str) -> Callable:
    def register(answer):
        _current.answers.append(Answer(exercise, answer.__name__, right, says, answer_source(answer, exercise)))
        return answer

    return register


def _line_in(error: BaseException, filename: str) -> int | str:
    lines, trace = ["?"], error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == filename:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1]


def _self_contained(bank: Bank, tree: ast.Module, filename: str) -> None:
    exercises = {answer.exercise for answer in bank.answers}
    own = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Assign):
            own |= {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    for answer in bank.answers:
        nodes = list(ast.walk(ast.parse(answer.source)))
        bound = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
        bound |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        used = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        borrowed = sorted((used & own) - bound - exercises)
        if borrowed:
            raise AuthorError(f"{filename}: {answer.name} uses {borrowed[0]} of the bank file, which the lesson "
                              f"does not have; put it inside {answer.name}.")
