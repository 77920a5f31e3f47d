"""The students of a simulated class: each a case that grading must get right, written from the answer bank."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import jupytext
from nbformat import NotebookNode

from autograder import cells
from autograder.authoring.bank import Answer, Bank
from autograder.authoring.regions import without_markers
from autograder.course import Course
from autograder.errors import UsageError
from autograder.grading.lesson import Lesson
from autograder.grading.names import used_names

NOT_PASSED = "not passed"  # any status but passed: a wrong answer may fail a check or raise an error
_SAYS_TO_STDERR = ('import sys, warnings; warnings.warn("nothing to worry about", stacklevel=1); '
                   'print("a word on stderr", file=sys.stderr)')
_AXIS = ("axis", "dim")  # a softmax along the wrong one is the best known mistake of all


@dataclass
class Student:
    """What one simulated student hands in, and how it must be graded.

    lost: exercises whose points must be gone. note: words that the reason must hold.
    """

    name: str
    answers: dict[str, str]
    status: str = "passed"
    lost: set[str] = field(default_factory=set)
    note: str = ""
    edit: Callable[[NotebookNode], None] | None = None
    filename: str | None = None
    cut: bool = False  # the file ends in the middle


class Cast:
    """The students of a class, each a case that grading must get right."""

    def __init__(self, course: Course, lesson: Lesson, bank: Bank, seed: int):
        self.lesson, self.bank, self.random = lesson, bank, random.Random(seed)
        source = jupytext.read(course.source(lesson.unit))
        self.reference = {cells.grade_id(cell): without_markers(cell.source).strip("\n")
                          for cell in source.cells if cells.is_solution(cell)}
        self.code = [name for name in lesson.code_answers
                     if any(test.exercise == name for test in lesson.tests.values())]
        # Exercises with one test that no other answer calls: a mistake there costs all their points and no others.
        calls = {name: used_names(self.reference[name]) for name in self.code}
        tests = [test.exercise for test in lesson.tests.values()]
        self.apart = [name for name in self.code if tests.count(name) == 1
                      and not any(name in calls[other] for other in self.code if other != name)]
        if not self.apart:
            raise UsageError(f"{lesson.unit} has no exercise with one test of its own that no other answer calls.")

    def students(self, n: int) -> list[Student]:
        cast = [self.perfect(), self.untouched(), self.wrong_axis(), self.other_ways(), self.warns(), self.loops(),
                self.exits(), self.crashes(), self.broken(), self.deleted(), self.doubled(), self.edited(),
                self.renamed(), self.partly("Paula_some_mistakes", 2), self.partly("Pedro_more_mistakes", 4),
                self.half_done()]
        more = [self.partly(f"student_{i:03d}", self.random.randint(1, max(1, len(self.apart) - 1)))
                for i in range(len(cast) + 1, n + 1)]
        return [*cast, *more][:n]

    def perfect(self) -> Student:
        return Student("Ada_all_right", dict(self.reference))

    def untouched(self) -> Student:
        return Student("Uma_untouched", {}, "failed", set(self.code), "no exercise was answered")

    def wrong_axis(self) -> Student:
        name = "softmax" if "softmax" in self.apart else self.apart[0]
        wrong = self.bank.wrong(name)
        chosen = next((one for one in wrong if any(word in one.name for word in _AXIS)), wrong[0])
        return self._with("Axel_wrong_axis", [chosen], status="failed")

    def other_ways(self) -> Student:
        answers = {name: self.random.choice(self.bank.right(name)).source for name in self.code}
        return Student("Olga_other_ways", {**self.reference, **answers})

    def warns(self) -> Student:
        answers = {name: in_function(self.reference[name], name, _SAYS_TO_STDERR) for name in self.code}
        return Student("Wanda_warns", {**self.reference, **answers})

    def loops(self) -> Student:
        name = self.apart[1 % len(self.apart)]
        source = in_function(self.reference[name], name, "while True: pass")
        return Student("Lou_loops_forever", {**self.reference, name: source}, "timeout", {name}, "did not finish")

    def exits(self) -> Student:
        name = self.apart[-1]
        source = in_function(self.reference[name], name, 'import sys; sys.exit("done")')
        return Student("Sid_sys_exit", {**self.reference, name: source}, "error", {name}, "sys.exit")

    def crashes(self) -> Student:
        name = self.apart[len(self.apart) // 2]
        source = in_function(self.reference[name], name, "import os; os._exit(1)")
        return Student("Kim_kills_python", {**self.reference, name: source}, "killed", {name}, "ended the Python")

    def broken(self) -> Student:
        return Student("Bea_broken_file", dict(self.reference), "unreadable", set(self.code), "broken JSON", cut=True)

    def deleted(self) -> Student:
        def edit(notebook: NotebookNode) -> None:
            tests = [cell for cell in notebook.cells if cells.is_test(cell)]
            for cell in tests[:3]:
                notebook.cells.remove(cell)

        return Student("Dora_deleted_tests", dict(self.reference), note="deleted", edit=edit)

    def doubled(self) -> Student:
        def edit(notebook: NotebookNode) -> None:
            for pick in (cells.is_test, cells.is_solution):
                index, cell = next((i, c) for i, c in enumerate(notebook.cells) if pick(c) and c.cell_type == "code")
                twin = copy.deepcopy(cell)
                twin.id += "-twin"
                notebook.cells.insert(index + 1, twin)

        return Student("Dan_doubled_cells", dict(self.reference), note="doubled", edit=edit)

    def edited(self) -> Student:
        name = self.apart[0]

        def edit(notebook: NotebookNode) -> None:
            for cell in notebook.cells:
                if cells.is_test(cell):
                    cell.source = "assert True"
                    cell.metadata.nbgrader["points"] = 100
                    cell.metadata["tags"] = ["skip-execution"]

        student = self._with("Edie_edited_tests", [self.random.choice(self.bank.wrong(name))], note="edited")
        student.edit = edit
        return student

    def renamed(self) -> Student:
        return Student("Rae_renamed_file", dict(self.reference), note="the file was named",
                       filename="my homework (final) v2.ipynb")

    def half_done(self) -> Student:
        done = self.code[: len(self.code) // 2]
        answers = {name: self.reference[name] for name in done}
        return Student("Hal_half_done", answers, "failed", set(self.code) - set(done), "not answered")

    def partly(self, name: str, mistakes: int) -> Student:
        exercises = self.random.sample(self.apart, min(mistakes, len(self.apart)))
        return self._with(name, [self.random.choice(self.bank.wrong(exercise)) for exercise in exercises])

    def _with(self, name: str, wrong: list[Answer], note: str | None = None, status: str = NOT_PASSED) -> Student:
        """All right but for these answers. One alone must be met with the words that the bank asks for."""
        says = wrong[0].says if len(wrong) == 1 and note is None else note or ""
        answers = {**self.reference, **{answer.exercise: answer.source for answer in wrong}}
        return Student(name, answers, status, {answer.exercise for answer in wrong}, says)


def in_function(source: str, name: str, statement: str) -> str:
    """The source with `statement` before the first statement of function `name`, its docstring aside."""
    function = next(node for node in ast.parse(source).body if getattr(node, "name", None) == name)
    if isinstance(function, ast.ClassDef):
        function = next(node for node in function.body if isinstance(node, ast.FunctionDef))
    body = function.body
    first = body[1] if ast.get_docstring(function) is not None and len(body) > 1 else body[0]
    lines = source.split("\n")
    lines.insert(first.lineno - 1, " " * first.col_offset + statement)
    return "\n".join(lines)
