"""A whole class, from a folder or a ZIP to the table: everybody gets exactly one row."""

import contextlib
import csv
import io
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from autograder.errors import InfrastructureError, UsageError
from autograder.grading import read_rows, refresh, run
from autograder.grading.gradebook import Gradebook
from autograder.grading.outcome import Outcome, status_of
from autograder.grading.rows import COLUMNS, Row
from autograder.grading.verdicts import Verdict

UNIT = "01_tiny"


@pytest.fixture
def out(tmp_path, empty_gradebook):
    (tmp_path / "out").mkdir()
    shutil.copyfile(empty_gradebook, tmp_path / "out" / "gradebook.db")
    return tmp_path / "out"


@pytest.fixture
def grade(course, out):
    def go(submissions, **options):
        rows = run.grade(course, UNIT, submissions, out, console=Console(file=io.StringIO()), cell_timeout=20,
                         **options)
        return {row.student: row for row in rows}

    return go


@pytest.fixture
def no_kernels(monkeypatch):
    """Every readable submission passes all tests without being run; `mallory` breaks the machinery."""
    def examine(lesson, rebuilt, limits, stopping=None):
        source = "".join(cell.source for cell in rebuilt.notebook.cells)
        if "mallory" in source:
            raise ZeroDivisionError("the machine")
        verdicts = [Verdict(t.grade_id, t.exercise, "passed", t.points, t.points) for t in lesson.tests.values()]
        return Outcome("", status_of(verdicts), verdicts, rebuilt.notebook)

    monkeypatch.setattr("autograder.grading.examine.examine", examine)
    no_engine = SimpleNamespace(warm_up=lambda: None)
    monkeypatch.setattr("autograder.grading.run._engine", lambda *arguments: contextlib.nullcontext(no_engine))


def test_a_small_class_in_real_kernels(grade, hand_in, out, course):
    hand_in("ann")
    hand_in("bob", double="def double(x):\n    return 0.0", path="bob/homework.ipynb")
    (hand_in.folder / "cy" / UNIT).mkdir(parents=True)
    shutil.copy(course.release(UNIT), hand_in.folder / "cy" / UNIT)
    (hand_in.folder / "dee" / UNIT).mkdir(parents=True)
    (hand_in.folder / "dee" / UNIT / f"{UNIT}.ipynb").write_text('{"cells": [')
    (hand_in.folder / "eve").mkdir()
    rows = grade(hand_in.folder)
    assert {name: (row.score, row.max_score, row.status) for name, row in rows.items()} == {
        "ann": (7, 7, "passed"), "bob": (5, 7, "failed"), "cy": (0, 7, "failed"), "dee": (0, 7, "unreadable"),
        "eve": (0, 7, "missing")}
    assert rows["bob"].reason == ("3 of 4 tests passed. double is not right yet: twice 3 is 6 (got 0.0). The file was "
                                  "named homework.ipynb. 1 written answer waits for a person.")
    with (out / "grades.csv").open() as file:
        table = list(csv.reader(file))
    assert table[0] == COLUMNS
    assert [line[0] for line in table[1:]] == ["ann", "bob", "cy", "dee", "eve"]
    for student in rows:
        assert (out / "feedback" / student / UNIT / f"{UNIT}.html").is_file()
    assert (out / "autograded" / "dee" / UNIT / f"{UNIT}.ipynb").is_file()
    assert not (out / "autograded" / "eve").exists()
    secret = [path for path in (out / "feedback").rglob("*.html") if "1234.5" in path.read_text()]
    assert secret == []


def test_a_zip_is_as_good_as_a_folder(grade, hand_in, no_kernels, tmp_path):
    hand_in("ann")
    hand_in("bob", path="bob.ipynb")
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as file:
        for notebook in hand_in.folder.rglob("*.ipynb"):
            file.write(notebook, "class/" + str(notebook.relative_to(hand_in.folder)))
        file.writestr("../evil.ipynb", "{}")
    assert {name: row.status for name, row in grade(path).items()} == {"ann": "passed", "bob": "passed"}


def test_one_broken_run_is_an_error_row_and_no_grade(grade, hand_in, no_kernels, out, lesson):
    hand_in("ann")
    hand_in("mal", double="# mallory")
    rows = grade(hand_in.folder)
    assert rows["ann"].status == "passed"
    assert rows["mal"].status == "error"
    assert rows["mal"].reason.startswith("Grading this submission failed (ZeroDivisionError: the machine)")
    assert "not your doing" in (out / "feedback" / "mal" / UNIT / f"{UNIT}.html").read_text()


def test_a_failure_of_the_machine_does_not_replace_an_earlier_grade(grade, hand_in, no_kernels, out, lesson):
    hand_in("ann")
    hand_in("bob")
    grade(hand_in.folder)
    hand_in("ann", double="# mallory")
    assert grade(hand_in.folder)["ann"].status == "error"
    with Gradebook(out / "gradebook.db", lesson) as book:
        assert book.standing("ann").auto == 7


def test_a_failure_for_everyone_is_an_error_of_the_command(grade, hand_in, no_kernels, out):
    hand_in("ann", double="# mallory")
    with pytest.raises(InfrastructureError, match="No submission could be graded"):
        grade(hand_in.folder)
    assert read_rows(out / "grades.csv")[0].status == "error"


def test_students_of_the_roster_and_the_gradebook_are_missed(grade, hand_in, no_kernels, out, lesson, tmp_path):
    with Gradebook(out / "gradebook.db", lesson) as book:
        book.add_students(["known"])
    (tmp_path / "roster.txt").write_text("ann\nlisted\n")
    hand_in("ann")
    rows = grade(hand_in.folder, roster=tmp_path / "roster.txt")
    assert [(name, row.status) for name, row in rows.items()] == [("ann", "passed"), ("known", "missing"),
                                                                  ("listed", "missing")]
    assert rows["known"].reason == "Handed in nothing."


def test_who_was_graded_before_keeps_the_grade_when_a_late_one_comes_alone(grade, hand_in, no_kernels):
    hand_in("ann")
    hand_in("bob")
    grade(hand_in.folder)
    shutil.rmtree(hand_in.folder / "ann")
    rows = grade(hand_in.folder)
    assert (rows["ann"].score, rows["ann"].status) == (7, "passed")
    assert rows["ann"].reason.count("earlier run") == 1
    assert "earlier run" not in rows["bob"].reason


def test_rows_of_other_units_stay(grade, hand_in, no_kernels, out):
    (out / "grades.csv").write_text(",".join(COLUMNS) + "\nann,02_other,1,2,failed,x\n")
    hand_in("ann")
    grade(hand_in.folder)
    assert [row.unit for row in read_rows(out / "grades.csv")] == [UNIT, "02_other"]
    assert read_rows(out / "grades.csv")[1] == Row("ann", "02_other", 1, 2, "failed", "x")


def test_grading_again_gives_the_same_table(grade, hand_in, no_kernels, out):
    hand_in("ann")
    grade(hand_in.folder)
    before = (out / "grades.csv").read_bytes()
    grade(hand_in.folder)
    assert (out / "grades.csv").read_bytes() == before


def test_grades_given_by_hand_are_taken_up_without_running_anything(grade, hand_in, no_kernels, out, course, lesson):
    hand_in("ann")
    hand_in("bob")
    assert grade(hand_in.folder)["ann"].max_score == 7
    with Gradebook(out / "gradebook.db", lesson) as book:
        mark = book.book.find_grade("written_why", UNIT, UNIT, "ann")
        mark.manual_score, mark.needs_manual_grade = 1.5, False
        book.book.db.commit()
    rows = {row.student: row for row in refresh(course, UNIT, out)}
    assert (rows["ann"].score, rows["ann"].max_score, rows["ann"].reason) == (8.5, 9, "All 4 tests passed.")
    assert (rows["bob"].score, rows["bob"].max_score) == (7, 9)
    assert "8.5 of 9" in (out / "feedback" / "ann" / UNIT / f"{UNIT}.html").read_text()
    again = grade(hand_in.folder)
    assert (again["ann"].score, again["ann"].reason) == (8.5, "All 4 tests passed.")


def test_nothing_to_refresh_says_what_to_run(course, tmp_path):
    with pytest.raises(UsageError, match=f"course grade {UNIT}"):
        refresh(course, UNIT, tmp_path)


def test_bad_input_is_told_before_anything_is_run(grade, hand_in, out, tmp_path):
    with pytest.raises(UsageError, match="no submissions at"):
        grade(tmp_path / "gone")
    hand_in("ann")
    (out / "grades.csv").write_text("name,points\n")
    with pytest.raises(UsageError, match="not a table of grades"):
        grade(hand_in.folder)


def test_two_runs_do_not_write_into_one_folder(grade, hand_in, out):
    from filelock import FileLock

    hand_in("ann")
    (out / "results").mkdir()
    with FileLock(out / "results" / ".lock"), pytest.raises(UsageError, match="Another"):
        grade(hand_in.folder)


def test_the_submissions_are_left_as_they_were(grade, hand_in, no_kernels):
    path = Path(hand_in("ann"))
    before = path.read_bytes()
    grade(hand_in.folder)
    assert path.read_bytes() == before
    assert [p.name for p in hand_in.folder.rglob("*")] == ["ann", UNIT, f"{UNIT}.ipynb"]


@pytest.fixture
def count(monkeypatch):
    """The students whose submissions were run since it was last asked."""
    ran, original = [], run.grade_one

    def counted(lesson, submission, *rest):
        ran.append(submission.student)
        return original(lesson, submission, *rest)

    monkeypatch.setattr(run, "grade_one", counted)

    def since():
        students, ran[:] = sorted(ran), []
        return students

    return since


def test_only_what_changed_is_run_again(grade, hand_in, no_kernels, count, out):
    for student in ("ann", "bob", "cy"):
        hand_in(student)
    first = grade(hand_in.folder)
    assert count() == ["ann", "bob", "cy"]
    assert grade(hand_in.folder) == first
    assert count() == []
    hand_in("bob", double="def double(x):\n    return 2.0 * x")
    grade(hand_in.folder)
    assert count() == ["bob"]
    grade(hand_in.folder, again=True)
    assert count() == ["ann", "bob", "cy"]


def test_a_failure_of_the_machine_is_tried_again(grade, hand_in, no_kernels, count):
    hand_in("ann")
    hand_in("mal", double="# mallory")
    grade(hand_in.folder)
    count()
    grade(hand_in.folder)
    assert count() == ["mal"]


def test_another_limit_is_another_environment(course, hand_in, no_kernels, count, out):
    hand_in("ann")
    for timeout in (20, 20, 30):
        run.grade(course, UNIT, hand_in.folder, out, console=Console(file=io.StringIO()), cell_timeout=timeout)
    assert count() == ["ann", "ann"]


def test_it_says_what_it_did_not_run(course, hand_in, no_kernels, out):
    hand_in("ann")
    console = Console(file=io.StringIO())
    for _ in range(2):
        run.grade(course, UNIT, hand_in.folder, out, console=console)
    assert console.file.getvalue().endswith(
        "1 submission was graded before and is unchanged: not run again (--again runs everything).\n")
