"""Students fail in every way that could show a hidden test; nothing that they may be given holds any of its canaries.

Searched are all files of --out but gradebook.db, which nbgrader needs with the tests in it, and in addition what stock
`nbgrader generate_feedback` makes of the notebooks in autograded/.
"""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from autograder import cells
from autograder.authoring.build import build
from autograder.course import Course
from autograder.grading import grade
from autograder.grading.results import Results
from autograder.reporting import report

ROOT = Path(__file__).resolve().parents[2]
LEAKY = Path(__file__).parent / "fixtures" / "leaky"
UNIT = "01_leaky"
# As spelt in the tests, and what they compute: 7331 * 10.0 + 5.25, twice it, 86420.5, twice it, 3886.5.
CANARIES = ("canary", "kanarie", "73315", "146630", "86420", "172841", "3886.5")
RIGHT = {
    "twice": "def twice(text):\n    return text * 2",
    "scale": "def scale(x):\n    return x + x",
    "count": "def count(words):\n    found = {}\n    for word in words:\n        found[word] = found.get(word, 0) + 1\n"
             "    return found",
    "last": "def last(values):\n    return values[-1]",
}
KNOWN = 'KNOWN = ("ab", 1.0, ["a", "b", "a"], [], [1, 2])\n'


def each(body, before=""):
    """The same body in every exercise; {good} is what the visible tests want."""
    good = {"twice": "argument * 2", "scale": "2 * argument", "last": "argument[-1]",
            "count": "{word: argument.count(word) for word in argument}"}
    body = "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))
    return {name: f"{before}def {name}(argument):\n{body.replace('{good}', right)}" for name, right in good.items()}


# Right for the visible inputs, so that the hidden test is what sees the rest.
AFTER = KNOWN + "import logging, os, sys, warnings\nseen = []\n"
STUDENTS = {
    "right": RIGHT,
    "stub": {},
    "wrong": each("return None"),
    "returns": each("return {good} if argument in KNOWN else argument", KNOWN),
    "returns_text": each("return {good} if argument in KNOWN else str(argument)", KNOWN),
    "returns_as_a_fact": each(
        "return {good} if argument in KNOWN else f'wanted shape ({argument},), got ({argument},)'", KNOWN),
    "returns_key": each("return {good} if argument in KNOWN else {str(argument): 1}", KNOWN),
    "returns_subclass": each(
        "if argument in KNOWN:\n    return {good}\n"
        "return type(str(argument), (str,), {'__repr__': lambda self: str(argument)})(argument)", KNOWN),
    "raises": each("if argument in KNOWN:\n    return {good}\nraise ValueError(f'not this: {argument}')", KNOWN),
    "raises_name": each("if argument in KNOWN:\n    return {good}\n"
                        "raise NameError(f\"name '{argument}' is not defined\")", KNOWN),
    "raises_type": each("if argument in KNOWN:\n    return {good}\n"
                        "raise type(f'E{argument}', (Exception,), {})(argument)", KNOWN),
    "raises_chain": each("if argument in KNOWN:\n    return {good}\ntry:\n    raise KeyError(argument)\n"
                         "except KeyError as error:\n    raise RuntimeError(argument) from error", KNOWN),
    "raises_exit": each("if argument in KNOWN:\n    return {good}\nimport sys\nsys.exit(str(argument))", KNOWN),
    "raises_check": each("if argument in KNOWN:\n    return {good}\n"
                         "from helpers.checks import CheckFailed\nraise CheckFailed(f'hint ({argument})')", KNOWN),
    "asserts": each("assert argument in KNOWN, argument\nreturn {good}", KNOWN),
    "stubs_with_text": each("if argument in KNOWN:\n    return {good}\nraise NotImplementedError(argument)", KNOWN),
    "lets_python_speak": each("if argument in KNOWN:\n    return {good}\n{}[argument] if not isinstance(argument, list)"
                              " else int(str(argument))", KNOWN),
    "prints": each("print(argument)\nprint(argument, file=sys.stderr)\nlogging.error(argument)\n"
                   "warnings.warn(str(argument))\nos.write(1, str(argument).encode())\n"
                   "os.write(2, str(argument).encode())\ndisplay(argument)\nreturn {good}",
                   AFTER + "from IPython.display import display\n"),
    "prints_and_fails": each("print(argument)\nprint(argument, file=sys.stderr)\nreturn None", AFTER),
    "writes_files": each("open('seen.txt', 'a').write(str(argument))\n"
                         "open(f'{str(argument)[:20]}.txt', 'w').write('x')\nreturn {good}", AFTER),
    "error_in_the_answer": {"twice": "def twice(text)\n    return text", "scale": "1 / 0", "count": RIGHT["count"]},
    "dies": each("if argument in KNOWN:\n    return {good}\nprint(argument, flush=True)\nos._exit(3)", AFTER),
    # What was seen under hidden tests comes out under a visible one, or in the cell of a later answer. Literals are
    # blotted out there; what a test computes is not known to whoever blots, see the guide.
    "keeps_and_raises": {
        "twice": "seen = []\ndef twice(text):\n    seen.append(text)\n    return text * 2",
        "scale": "def scale(x):\n    seen.append(x)\n    return 2 * x",
        "count": "def count(words):\n    raise ValueError(f'{[one for one in seen if \"kan\" not in str(one)][:2]}')",
        "last": "def last(values):\n    return '|'.join(str(one) for one in seen if str(one)[:1] in 'C8')"},
    "keeps_and_shows": {
        "twice": "seen = []\ndef twice(text):\n    seen.append(text)\n    return text * 2",
        "scale": "def scale(x):\n    seen.append(x)\n    return 2 * x",
        "count": "print(seen)\ndisplay(seen)\nraise KeyError(seen[1])",
        "last": "seen"},
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The class graded and reported: (course, out)."""
    root = tmp_path_factory.mktemp("leaky")
    shutil.copytree(LEAKY, root, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    course, out, folder = Course(root), root / "out", root / "handed-in"
    build(course)
    for student, answers in STUDENTS.items():
        notebook = nbformat.read(course.release(UNIT), as_version=4)
        for cell in notebook.cells:
            cell.source = answers.get(cells.grade_id(cell), cell.source)
        write(folder, student, notebook)
    bare = nbformat.read(course.release(UNIT), as_version=4)
    bare.cells = [cell for cell in bare.cells if not cells.is_solution(cell)]
    write(folder, "cells_deleted", bare)
    (folder / "unreadable").mkdir()
    (folder / "unreadable" / "a.ipynb").write_text("{")
    quiet = Console(file=io.StringIO())
    grade(course, UNIT, folder, out, cell_timeout=20, console=quiet)
    report(course, out, console=quiet)
    return course, out


def write(folder, student, notebook):
    (folder / student).mkdir(parents=True)
    nbformat.write(notebook, folder / student / f"{UNIT}.ipynb")


def leaks(folder):
    """(file, canary, what stands around it)"""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "gradebook.db":
            text = path.read_text(encoding="utf-8", errors="replace").lower()
            for canary in CANARIES:
                if canary in text or canary in path.name.lower():
                    at = text.find(canary)
                    found.append((path.relative_to(folder).as_posix(), canary, text[max(0, at - 80):at + 60]))
    return found


def test_the_canaries_are_in_the_tests(graded):
    course, out = graded
    source = course.source(UNIT).read_text()
    assert source.count("CANARY") > 8
    assert not any(canary in course.release(UNIT).read_text().lower() for canary in CANARIES)
    assert b"CANARY" in (out / "gradebook.db").read_bytes()


def test_no_file_that_a_student_may_see_holds_one(graded):
    _, out = graded
    assert len(list((out / "feedback").rglob("*.html"))) == len(STUDENTS) + 2
    assert len(list((out / "autograded").rglob("*.ipynb"))) == len(STUDENTS) + 2
    assert leaks(out) == []


def test_nbgraders_own_feedback_holds_none_either(graded, tmp_path):
    course, out = graded
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    shutil.copyfile(course.root / "nbgrader_config.py", copy / "nbgrader_config.py")
    shutil.rmtree(copy / "feedback")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-m", "nbgrader", "generate_feedback", UNIT], cwd=copy, env=environment,
                          capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    pages = list((copy / "feedback").rglob("*.html"))
    assert len(pages) == len(STUDENTS) + 2
    assert any("ab twice is abab" in page.read_text() for page in pages)
    assert leaks(copy) == []


def test_students_are_told_what_they_need_all_the_same(graded):
    _, out = graded

    def told(student, test):
        verdicts = Results(out, UNIT).read(student).outcome.verdicts
        return next(verdict.message for verdict in verdicts if verdict.test == test)

    assert told("wrong", "test_twice").startswith("ab twice is abab (wanted a str, got None")
    assert told("returns", "test_twice").startswith("it must work for longer texts")
    assert told("returns", "test_scale").startswith("it must work for large numbers")
    assert told("raises", "test_twice").startswith("ValueError (line ")
    assert "raise ValueError(f'not this: {argument}')" in told("raises", "test_scale")
    assert told("stub", "test_last") == "`last` is not answered yet."
    assert all(verdict.status == "passed" for verdict in Results(out, UNIT).read("right").outcome.verdicts)
