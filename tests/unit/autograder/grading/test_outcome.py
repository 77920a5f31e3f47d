"""A reason is a sentence that an instructor can act on."""

import pytest

from autograder.grading.gradebook import Standing
from autograder.grading.outcome import Outcome, answers_of, reason, row, status_of
from autograder.grading.verdicts import Verdict


def verdict(exercise, status="passed", message="", answered=True, points=2.0):
    return Verdict(f"test_{exercise}", exercise, status, points if status == "passed" else 0.0, points, message,
                   answered=answered)


def outcome(*verdicts, **more):
    return Outcome("ann", status_of(list(verdicts)), list(verdicts), **more)


@pytest.mark.parametrize("verdicts, want", [
    ([verdict("a"), verdict("b")], "All 2 tests passed."),
    ([verdict("a", "failed", "not yet", False), verdict("b", "failed", "not yet", False)], "No exercise was answered."),
    ([verdict("a"), verdict("b", "failed", "not yet", False)], "1 of 2 tests passed. Not answered: b."),
    ([verdict("a"), verdict("b", "failed", "the rows do not sum to 1")],
     "1 of 2 tests passed. b is not right yet: the rows do not sum to 1."),
    ([verdict("a", "failed", "no"), verdict("b", "timeout", "`b` did not finish within 9 seconds")],
     "0 of 2 tests passed. b did not finish within 9 seconds. Also not passed: a."),
])
def test_reasons(verdicts, want):
    assert reason(outcome(*verdicts)) == want


def test_notes_and_waiting_texts_are_added_as_sentences():
    standing = Standing(2, 2, 0, 3, ("w1", "w2"), {}, {})
    one = outcome(verdict("a"), notes=["the file was named x.ipynb"])
    assert reason(one, standing) == ("All 1 tests passed. The file was named x.ipynb. "
                                     "2 written answers wait for a person.")


def test_a_problem_stands_in_for_the_tests():
    assert reason(outcome(verdict("a", "unreadable"), problem="x.ipynb is empty.")) == "x.ipynb is empty."


def test_a_long_message_is_cut_at_a_word():
    text = reason(outcome(verdict("a", "failed", "word " * 100)))
    assert len(text) < 240
    assert text.endswith("word …")


def test_written_points_count_only_once_a_person_has_begun(lesson):
    one, standing = outcome(verdict("double")), Standing(7, 7, 1.5, 2, (), {}, {})
    assert (row(one, lesson, standing, False).score, row(one, lesson, standing, False).max_score) == (7, 7)
    assert (row(one, lesson, standing, True).score, row(one, lesson, standing, True).max_score) == (8.5, 9)
    assert (row(one, lesson, None, True).score, row(one, lesson, None, True).max_score) == (0, 9)


def test_an_outcome_survives_as_plain_data():
    one = outcome(verdict("a"), verdict("b", "failed", "no"), notes=["odd"])
    one.answers = {"a": "def a(): ..."}
    assert Outcome.from_dict(one.as_dict()) == one


def test_the_answers_of_a_notebook(lesson):
    answers = answers_of(lesson.notebook)
    assert list(answers) == ["double", "area", "total", "written_why"]
    assert "def area" in answers["area"]
    assert answers_of(None) == {}
