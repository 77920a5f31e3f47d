"""Killed at any moment and run again, a class comes out as of an undisturbed run, and what people graded is kept.

A kill is a SIGKILL before the n-th thing that a run makes last: a file put in its place, a commit. Every fourth n
(every one with COURSE_TEST_EVERY_STEP=1, which takes some minutes) is tried on a class whose notebooks are not run, in
forks of one process, and a few moments on `course grade` itself.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.build import build
from autograder.course import Course

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "unit" / "autograder" / "grading" / "fixtures"
UNIT = "01_tiny"
RIGHT = "def double(x):\n    return x + x\n"
WRONG = "def double(x):\n    return 0.0\n"
WHY = "Zero is what adding does not change."

# A submission has three steps, its notebook, its commit and its result: four meets another of them each time.
STRIDE = 1 if os.environ.get("COURSE_TEST_EVERY_STEP") else 4

WORKER = '''
import contextlib, io, os, signal, sys, traceback
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console
from sqlalchemy import event
from sqlalchemy.engine import Engine

from autograder.course import Course
from autograder.grading import run
from autograder.grading.outcome import Outcome, status_of
from autograder.grading.reading import Unreadable, read_notebook
from autograder.grading.examine import denied
from autograder.grading.rebuild import rebuild
from autograder.grading.verdicts import Verdict

replace, steps, last = Path.replace, 0, 0


def step(*arguments, **more):
    global steps
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)


def counted(self, target):
    step()
    return replace(self, target)


def grade_one(lesson, submission, engine, stopping=None):
    if submission.path is None:
        return denied(lesson, submission.student, "missing", "Handed in nothing.")
    try:
        rebuilt = rebuild(lesson, read_notebook(submission.path))
    except Unreadable as error:
        return denied(lesson, submission.student, "unreadable", f"It {error}.")
    good = {name for name, source in ((c.get("id"), c.source) for c in rebuilt.notebook.cells) if "x + x" in source}
    verdicts = [Verdict(t.grade_id, t.exercise, "passed" if t.exercise in good else "failed",
                        t.points if t.exercise in good else 0, t.points, "" if t.exercise in good else "not yet",
                        answered=t.exercise in rebuilt.answered) for t in lesson.tests.values()]
    return Outcome(submission.student, status_of(verdicts), verdicts, rebuilt.notebook, rebuilt.notes)


Path.replace = counted
event.listen(Engine, "commit", step)
no_engine = SimpleNamespace(warm_up=lambda: None)
run.grade_one, run._engine = grade_one, lambda *arguments: contextlib.nullcontext(no_engine)

for line in sys.stdin:  # "course submissions roster out last"
    *paths, number = line.split()
    child = os.fork()
    if child == 0:
        last = int(number)
        course, submissions, roster, out = map(Path, paths)
        try:
            run.grade(Course(course), "01_tiny", submissions, out, console=Console(file=io.StringIO()), roster=roster,
                      jobs=1)
            os.write(1, f"{steps} ".encode())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
'''


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(TINY, root, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    build(Course(root))
    return Course(root)


@pytest.fixture(scope="module")
def runs(course):
    """runs(submissions, out, last) grades in a fork, killed before step `last`; gives (exit code, steps made)."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT), "COURSE_DB": "", "PATH": _path()})

    def go(submissions, out, last=0):
        roster = submissions.parent / "roster.txt"
        roster.write_text("ann\neve\n")
        worker.stdin.write(f"{course.root} {submissions} {roster} {out} {last}\n")
        worker.stdin.flush()
        said = worker.stdout.readline().split()
        assert said, "the worker died"
        return int(said[-1]), int(said[0]) if len(said) > 1 else None

    yield go
    worker.stdin.close()
    worker.wait()


@pytest.fixture(scope="module")
def classes(course, tmp_path_factory):
    """The class when it handed in, and later: ann wrote another text, bob other code, dee joined, cy is as before."""
    folder = tmp_path_factory.mktemp("classes")
    early, late = folder / "early", folder / "late"
    for place, students in ((early, {"ann": (RIGHT, WHY), "bob": (WRONG, ""), "cy": (RIGHT, WHY)}),
                            (late, {"ann": (RIGHT, f"{WHY} Always."), "bob": (RIGHT, ""), "cy": (RIGHT, WHY),
                                    "dee": (WRONG, WHY)})):
        for student, (double, why) in students.items():
            hand_in(course, place, student, double, why)
        (place / "zoe").mkdir()
        (place / "zoe" / "broken.ipynb").write_text('{"cells": [')
    return early, late


def hand_in(course, folder, student, double, why=""):
    notebook = nbformat.read(course.release(UNIT), as_version=4)
    for cell in notebook.cells:
        if cell.id == "double":
            cell.source = double
        if cell.id == "written_why" and why:
            cell.source = why
    path = folder / student / UNIT / f"{UNIT}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


def grade_by_hand(out):
    """ann gets 1.5 points and a word for her text, cy a word and a better grade for his code."""
    changes = (("grade", "manual_score", 1.5, "ann", "written_why"), ("grade", "manual_score", 2.0, "cy", "test_area"),
               ("comment", "manual_comment", "Go on.", "ann", "written_why"),
               ("comment", "manual_comment", "Nearly.", "cy", "area"))
    with sqlite3.connect(out / "gradebook.db") as book:
        for table, column, value, student, cell in changes:
            changed = book.execute(
                f"UPDATE {table} SET {column} = ? WHERE id IN (SELECT g.id FROM {table} g JOIN base_cell c ON c.id = "
                "g.cell_id JOIN submitted_notebook n ON n.id = g.notebook_id JOIN submitted_assignment a ON a.id = "
                "n.assignment_id WHERE a.student_id = ? AND c.name = ?)", (value, student, cell))
            assert changed.rowcount == 1
        book.execute("UPDATE grade SET needs_manual_grade = 0 WHERE manual_score IS NOT NULL")


def gradebook(out):
    """Everything that grading and people say in it, without the database's own ids."""
    with sqlite3.connect(out / "gradebook.db") as book:
        joined = ("JOIN base_cell c ON c.id = g.cell_id JOIN submitted_notebook n ON n.id = g.notebook_id "
                  "JOIN submitted_assignment a ON a.id = n.assignment_id")
        return {
            "students": book.execute("SELECT id FROM student ORDER BY id").fetchall(),
            "cells": book.execute("SELECT name, type FROM base_cell ORDER BY name, type").fetchall(),
            "sources": book.execute("SELECT name, source, checksum FROM source_cell ORDER BY name").fetchall(),
            "version": book.execute("SELECT version_num FROM alembic_version").fetchall(),
            "grades": book.execute(
                "SELECT a.student_id, c.name, g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade "
                f"FROM grade g {joined} ORDER BY 1, 2").fetchall(),
            "comments": book.execute(
                f"SELECT a.student_id, c.name, g.auto_comment, g.manual_comment FROM comment g {joined} ORDER BY 1, 2"
            ).fetchall(),
        }


def files(out):
    """Every file but the database, without the seconds that tests took."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and "gradebook.db" not in path.name and path.name != ".lock":
            data = path.read_text(encoding="utf-8")
            if path.suffix == ".json":
                data = json.loads(data)
                for verdict in data.get("verdicts", ()):
                    verdict["seconds"] = 0
            found[path.relative_to(out).as_posix()] = data
    return found


def everything(out):
    return {"gradebook": gradebook(out), **files(out)}


def test_every_step_of_a_first_run(runs, classes, tmp_path):
    early, _ = classes
    code, steps = runs(early, tmp_path / "whole")
    assert code == 0
    want = everything(tmp_path / "whole")
    assert len(want["gradebook"]["grades"]) == 4 * 5  # four handed in, five graded cells
    assert steps > 30
    for last in range(1, steps + 1, STRIDE):
        out = tmp_path / str(last)
        assert runs(early, out, last)[0] == -signal.SIGKILL
        assert runs(early, out)[0] == 0
        assert everything(out) == want, f"killed before step {last}"
        shutil.rmtree(out)


def test_every_step_of_a_later_run_with_grades_given_by_hand(runs, classes, tmp_path):
    early, late = classes
    start = tmp_path / "start"
    assert runs(early, start)[0] == 0
    grade_by_hand(start)
    shutil.copytree(start, tmp_path / "whole")
    code, steps = runs(late, tmp_path / "whole")
    assert code == 0
    want = everything(tmp_path / "whole")
    grades = {(student, cell): rest for student, cell, *rest in want["gradebook"]["grades"]}
    assert grades["ann", "written_why"] == [None, 1.5, None, 1]  # kept, and to be looked at: the text is another
    assert grades["cy", "test_area"] == [0, 2, None, 0]
    assert grades["bob", "test_double"] == [2, None, None, 0]
    assert ("cy", "area", "No response.", "Nearly.") in want["gradebook"]["comments"]
    for last in range(2, steps + 1, STRIDE):
        out = tmp_path / str(last)
        shutil.copytree(start, out)
        assert runs(late, out, last)[0] == -signal.SIGKILL
        assert runs(late, out)[0] == 0
        assert everything(out) == want, f"killed before step {last}"
        shutil.rmtree(out)


def test_killed_again_and_again_it_gets_there(runs, classes, tmp_path):
    early, _ = classes
    assert runs(early, tmp_path / "whole")[0] == 0
    _, steps = runs(early, tmp_path / "whole")  # what a run makes that has nothing to do
    count, code = 0, -signal.SIGKILL
    while code:
        count += 1
        code, _ = runs(early, tmp_path / "out", steps + 3)
        assert count < 30, "a run that is killed soon after its start makes no headway"
    assert count > 1
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


@pytest.mark.slow
def test_course_grade_killed_at_some_moments(course, tmp_path):
    folder = tmp_path / "submitted"
    for student, double in (("ann", RIGHT), ("bob", WRONG), ("cy", "def double(x):\n    raise ValueError(x)\n")):
        hand_in(course, folder, student, double, WHY)
    command = [sys.executable, "-m", "autograder.cli", "grade", "01", "--submissions", str(folder), "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COURSE_DB": ""}

    def start(out):
        return subprocess.Popen([*command, "--out", str(out)], cwd=course.root, env=environment, text=True,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    began = time.monotonic()
    whole = start(tmp_path / "whole")
    assert whole.wait(600) == 0, whole.stderr.read()
    took = time.monotonic() - began
    moments = random.Random(0)
    for _ in range(3):
        killed = start(tmp_path / "out")
        time.sleep(took * moments.uniform(0.3, 0.9))
        killed.kill()
        killed.wait()
    last = start(tmp_path / "out")
    assert last.wait(600) == 0, last.stderr.read()
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")
    unchanged = start(tmp_path / "out")
    assert unchanged.wait(600) == 0
    assert "3 submissions were graded before and are unchanged: not run again" in unchanged.stderr.read()


def _path():
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
