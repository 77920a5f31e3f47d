"""A simulated class, written from the answer bank, with what its grades must come to: `course simulate`."""

from __future__ import annotations

import ast
import copy
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from autograder import cells
from autograder.authoring.bank import Answer, Bank, load_bank
from autograder.authoring.regions import without_markers
from autograder.course import Course
from autograder.errors import UsageError
from autograder.grading.lesson import Lesson, load_lesson
from autograder.grading.names import used_names
from autograder.grading.results import read_results
from autograder.grading.rows import Row
from helpers.files import write_atomically

EXPECTED = "expected.json"
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


def simulate(course: Course, unit: str, out: Path, n: int = 16, seed: int = 0) -> Path:
    """Write `n` submissions to `out`/submitted and what is expected of them to `out`/expected.json.

    The first 16 are the cast below; more are students with some answers of the bank wrong, drawn with `seed`.
    Returns the folder of submissions. Raises UsageError rather than write over submissions that are not simulated.
    """
    folder = out / "submitted"
    if folder.exists() and not (out / EXPECTED).is_file():
        raise UsageError(f"{folder} holds submissions that are not simulated; choose another --out.")
    lesson = load_lesson(course, unit)
    students = _Cast(course, lesson, load_bank(course, unit), seed).students(n)
    shutil.rmtree(folder, ignore_errors=True)
    for student in students:
        _write(student, folder, lesson)
    expected = {student.name: _expected(student, lesson) for student in students}
    write_atomically(out / EXPECTED, json.dumps({"unit": unit, "students": expected}, indent=1) + "\n")
    return folder


def differences(rows: list[Row], out: Path) -> list[str]:
    """Where the grades are not what the simulation expects, one sentence each."""
    data = json.loads((out / EXPECTED).read_text(encoding="utf-8"))
    results = read_results(out, data["unit"])
    got = {row.student: row for row in rows}
    said = []
    for name, want in data["students"].items():
        row = got.get(name)
        if row is None:
            said.append(f"{name} has no row.")
            continue
        status_fits = row.status == want["status"] or (want["status"] == NOT_PASSED and row.status != "passed")
        if (row.score, row.max_score) != (want["score"], want["max_score"]) or not status_fits:
            said.append(f"{name}: wanted {want['score']:g} of {want['max_score']:g} and {want['status']}, got "
                        f"{row.score:g} of {row.max_score:g} and {row.status} ({row.reason})")
        messages = [verdict["message"] for verdict in results.get(name, {}).get("verdicts", ())]
        if not any(want["note"].lower() in text.lower() for text in [row.reason, *messages]):
            said.append(f"{name}: nothing says {want['note']!r}: {row.reason}")
    return said


class _Cast:
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


def _write(student: Student, folder: Path, lesson: Lesson) -> None:
    notebook = nbformat.v4.new_notebook(metadata=copy.deepcopy(lesson.notebook.metadata))
    notebook.cells = copy.deepcopy(list(lesson.shown))
    for cell in notebook.cells:
        if cells.is_solution(cell) and cells.grade_id(cell) in student.answers:
            cell.source = student.answers[cells.grade_id(cell)]
    if student.edit:
        student.edit(notebook)
    text = nbformat.writes(notebook)
    target = folder / student.name / (student.filename or f"{lesson.unit}/{lesson.unit}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text[: len(text) // 2] if student.cut else text, encoding="utf-8")


def _expected(student: Student, lesson: Lesson) -> dict:
    lost = sum(test.points for test in lesson.tests.values() if test.exercise in student.lost)
    return {"score": lesson.max_auto - lost, "max_score": lesson.max_auto, "status": student.status,
            "note": student.note}
