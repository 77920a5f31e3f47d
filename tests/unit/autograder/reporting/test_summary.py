"""The numbers of a class."""

import nbformat
import pytest

from autograder.grading.lesson import Lesson
from autograder.grading.outcome import Outcome
from autograder.grading.results import Result, Results
from autograder.grading.rows import Row
from autograder.grading.verdicts import Verdict
from autograder.reporting.summary import share, summarize, what_happened

UNIT = "04_x"


def _cell(name, **nbgrader):
    return nbformat.v4.new_code_cell(metadata={"nbgrader": {"grade_id": name, **nbgrader}})


def verdict(exercise, status="passed", message="", answered=True, hidden=False):
    return Verdict(f"test_{exercise}", exercise, status, 0, 2, message, hidden, answered)


@pytest.fixture
def summary(tmp_path):
    """summary({student: (score, status, [verdicts])})"""
    cells = [_cell("a", solution=True), _cell("test_a", grade=True, points=2),
             _cell("b", solution=True), _cell("test_b", grade=True, points=2)]
    lesson = Lesson(UNIT, nbformat.v4.new_notebook(cells=cells), ())

    def make(students, problems=()):
        results = Results(tmp_path, UNIT)
        results.write_unit(lesson, pending=4, earlier=())
        for name, (_, status, verdicts) in students.items():
            problem = "It broke." if name in problems else ""
            results.write(Result(Outcome(name, status, verdicts, problem=problem,
                                         final=not problem or status != "error")))
        rows = [Row(name, UNIT, score, 4, status, "x") for name, (score, status, _) in students.items()]
        return summarize(tmp_path, UNIT, rows)

    return make


def test_best_first_with_mean_median_and_histogram(summary):
    one = summary({"cy": (0, "failed", []), "ann": (4, "passed", []), "bob": (4, "passed", []),
                   "dee": (3, "failed", [])})
    assert [row.student for row in one.rows] == ["ann", "bob", "dee", "cy"]
    assert (one.mean, one.median, one.full) == (11 / 16, 7 / 8, 2)
    assert one.histogram == [1, 0, 0, 0, 0, 0, 0, 1, 0, 2]
    assert one.pending == 4


def test_how_each_exercise_ended(summary):
    one = summary({
        "ann": (4, "passed", [verdict("a"), verdict("b")]),
        "bob": (0, "error", [verdict("a", "error", "TypeError"), verdict("b", "failed", "no", answered=False)]),
        "cy": (0, "timeout", [verdict("a", "failed", "no"), verdict("b", "timeout", "slow")]),
        "dee": (0, "unreadable", [verdict("a", "unreadable", "x"), verdict("b", "unreadable", "x")]),
    }, problems=["dee"])
    a, b = one.exercises
    assert a.counts == {"passed": 1, "not right yet": 1, "stopped with an error": 1, "ended Python or took too long": 0,
                        "not answered": 0, "nothing to grade": 1}
    assert b.counts == {"passed": 1, "not right yet": 0, "stopped with an error": 0, "ended Python or took too long": 1,
                        "not answered": 1, "nothing to grade": 1}
    assert a.rate == b.rate == 0.25


def test_the_commonest_message_comes_first_whatever_values_came(summary):
    one = summary({
        "ann": (0, "failed", [verdict("a", "failed", "mind the axis (got 3)")]),
        "bob": (0, "failed", [verdict("a", "failed", "too small")]),
        "cy": (0, "failed", [verdict("a", "failed", "mind the axis (got 4)", hidden=True)]),
        "dee": (0, "failed", [verdict("a", "failed", "`a` is not answered yet.", answered=False)]),
    })
    said = [(message.text, message.students) for message in one.exercises[0].messages]
    assert said == [("mind the axis (got 3)", ("ann", "cy")), ("too small", ("bob",))]
    assert not one.exercises[0].messages[0].hidden


def test_whom_to_look_at(summary):
    one = summary({"ann": (4, "passed", []), "bob": (0, "unreadable", []), "cy": (0, "missing", []),
                   "dee": (1, "error", []), "eve": (0, "error", [])}, problems=["bob", "cy", "eve"])
    assert {row.student for row in one.look} == {"bob", "cy", "eve"}


def test_what_waits_is_left_to_the_headline():
    row = Row("a", UNIT, 1, 2, "failed", "1 of 2 tests passed. 2 written answers wait for a person.")
    assert what_happened(row) == "1 of 2 tests passed."


def test_shares_stay_within_bounds():
    assert [share(Row("a", UNIT, score, most, "failed", "")) for score, most in ((1, 2), (5, 4), (0, 0), (-1, 4))] == [
        0.5, 1, 0, 0]
