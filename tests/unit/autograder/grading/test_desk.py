"""What is written of a submission, in which order, and what need not be done again."""

import shutil

import pytest

from autograder.grading import desk as module
from autograder.grading.desk import EARLIER, Desk
from autograder.grading.examine import denied
from autograder.grading.gradebook import Gradebook
from autograder.grading.outcome import Outcome, status_of
from autograder.grading.submissions import Submission
from autograder.grading.verdicts import Verdict


@pytest.fixture
def out(tmp_path, empty_gradebook):
    shutil.copyfile(empty_gradebook, tmp_path / "gradebook.db")
    return tmp_path


@pytest.fixture
def desk(out, lesson):
    """desk() is a desk as of a new run."""
    with Gradebook(out / "gradebook.db", lesson) as book:
        yield lambda: Desk(lesson, book, out)


@pytest.fixture
def passed(lesson):
    def make(student, message=""):
        verdicts = [Verdict(t.grade_id, t.exercise, "failed" if message else "passed", 0 if message else t.points,
                            t.points, message, bool(message)) for t in lesson.tests.values()]
        return Outcome(student, status_of(verdicts), verdicts, lesson.notebook)

    return make


def test_files_come_first_then_the_gradebook_then_the_result(desk, passed, monkeypatch):
    done, one = [], desk()
    write, record, result = module.write_atomically, one.book.record, one.results.write
    monkeypatch.setattr(module, "write_atomically", lambda path, text: (done.append(path.suffix), write(path, text)))
    monkeypatch.setattr(one.book, "record", lambda *all: (done.append("gradebook"), record(*all)))
    monkeypatch.setattr(one.results, "write", lambda *all: (done.append("result"), result(*all)))
    one.take(passed("ann"), "key")
    assert done == [".ipynb", "gradebook", "result"]


def test_what_was_taken_is_let_go(desk, passed):
    outcome = passed("ann")
    desk().take(outcome, "key")
    assert outcome.notebook is None


def test_settled_is_who_has_the_same_key_a_final_result_a_grade_and_a_notebook(desk, passed, lesson, out):
    one = desk()
    one.take(passed("ann"), "key")
    one.take(denied(lesson, "bob", "error", "The machine broke.", final=False), "key")
    one.take(denied(lesson, "cy", "missing", "Handed in nothing."), "key")
    again = desk()
    assert again.settled(Submission("ann"), "key")
    assert not again.settled(Submission("ann"), "another")
    assert not again.settled(Submission("bob"), "key")
    assert again.settled(Submission("cy"), "key")
    assert not again.settled(Submission("dee"), "key")
    shutil.rmtree(out / "autograded" / "ann")
    assert not again.settled(Submission("ann"), "key")


def test_a_grade_that_the_gradebook_has_lost_is_not_settled(desk, passed, lesson, out, empty_gradebook):
    desk().take(passed("ann"), "key")
    with Gradebook(out / "another.db", lesson) as book:
        one = Desk(lesson, book, out)
        assert not one.settled(Submission("ann"), "key")
        assert not one.keep(Submission("ann"))


def test_what_only_hidden_tests_know_is_taken_out_before_anything_is_written(desk, passed, out):
    one = desk()
    one.take(passed("ann", "it must work for every number (got 1234.5)"), "key")
    one.finish(["ann"])
    texts = {path: path.read_text() for path in out.rglob("*") if path.is_file() and path.suffix != ".db"
             and path.name != ".lock"}
    assert sum("it must work for every number" in text or "It must work" in text for text in texts.values()) == 4
    assert not [path for path, text in texts.items() if "1234.5" in text]


def test_what_cannot_be_written_is_told_in_the_row_and_the_next_goes_on(desk, passed, monkeypatch):
    one = desk()
    record = one.book.record

    def broken(student, *rest):
        if student == "ann":
            raise OSError("disk full")
        record(student, *rest)

    monkeypatch.setattr(one.book, "record", broken)
    one.take(passed("ann"), "key")
    one.take(passed("bob"), "key")
    rows = one.finish(["ann", "bob"])
    assert [(row.student, row.status) for row in rows] == [("ann", "error"), ("bob", "passed")]
    assert "OSError: disk full" in rows[0].reason
    assert not desk().settled(Submission("ann"), "key")


def test_a_note_on_an_earlier_grade_goes_away_when_the_student_is_back(desk, passed):
    desk().take(passed("ann"), "key")
    one = desk()
    assert one.keep(Submission("ann"))
    assert EARLIER in one.finish(["ann"])[0].reason.replace("Not among", "not among")
    report = desk()
    assert "earlier run" in report.finish(["ann"])[0].reason
    back = desk()
    assert back.settled(Submission("ann"), "key")
    assert "earlier run" not in back.finish(["ann"])[0].reason


def test_halves_of_files_that_a_killed_run_left_are_swept_away(desk, passed, out, lesson):
    one = desk()
    one.take(passed("ann"), "key")
    one.finish(["ann"])
    left = [out / ".grades.csv.x1", out / "results" / lesson.unit / ".ann.json.x2",
            out / "autograded" / "ann" / lesson.unit / f".{lesson.unit}.ipynb.x3",
            out / "feedback" / "ann" / lesson.unit / f".{lesson.unit}.html.x4"]
    for path in left:
        path.write_text("{")
    before = {path for path in out.rglob("*") if path not in left}
    desk()
    assert {path for path in out.rglob("*") if "db-" not in path.name} == before
