"""Each real unit, graded as a class is: answers behind the wall, tests outside, every outcome in a gradebook.

Its students: one with the reference, one with the untouched release, one with a right answer of the bank for every
exercise. And of each exercise a wrong answer, which must be told its mistake there too. `course check --graded` tries
the whole bank so.
"""

import nbformat
import pytest

from autograder import cells
from autograder.authoring import percent
from autograder.authoring.bank import load_bank
from autograder.authoring.regions import without_markers
from autograder.course import Course
from autograder.graded_answers import graded_with, with_answers
from autograder.grading.desk import Desk
from autograder.grading.engine import Engine
from autograder.grading.examine import grade_one
from autograder.grading.gradebook import Gradebook
from autograder.grading.lesson import load_lesson
from autograder.grading.limits import Limits
from autograder.grading.submissions import Submission

COURSE = Course.find()


@pytest.fixture(scope="module", params=COURSE.units)
def unit(request, tmp_path_factory):
    """What grading the unit gave: its lesson, outcomes and rows by student, and what wrong answers were told."""
    lesson, bank = load_lesson(COURSE, request.param), load_bank(COURSE, request.param)
    out, source = tmp_path_factory.mktemp("out"), percent.read(COURSE.source(request.param))
    reference = {cells.grade_id(cell): without_markers(cell.source) for cell in source.cells if cells.is_solution(cell)}
    first = {right: {answer.exercise: answer for answer in reversed(bank.answers) if answer.right is right}
             for right in (True, False)}
    others = {name: answer.source for name, answer in first[True].items()}
    found = {}
    with Engine(lesson, Limits(), never=[COURSE.source(request.param)]) as engine, \
            Gradebook(out / "gradebook.db", lesson) as book:
        desk = Desk(lesson, book, out)
        for student, answers in (("reference", reference), ("untouched", {}), ("others", {**reference, **others})):
            path = out / f"{student}.ipynb"
            nbformat.write(submitted(lesson.unit, answers), path)
            found[student] = grade_one(lesson, Submission(student, path), engine)
            desk.take(found[student])
        rows = {row.student: row for row in desk.finish(found)}
        wrong = list(graded_with(engine, with_answers(lesson, source), first[False].values()))
    return lesson, found, rows, wrong


def submitted(unit, answers):
    notebook = nbformat.read(COURSE.release(unit), as_version=4)
    for cell in notebook.cells:
        if cells.grade_id(cell) in answers:
            cell.source = answers[cells.grade_id(cell)]
    return notebook


@pytest.mark.slow
@pytest.mark.parametrize("student", ["reference", "others"])
def test_right_answers_score_everything(unit, student):
    lesson, found, rows, _ = unit
    assert [verdict.message for verdict in found[student].verdicts if verdict.status != "passed"] == []
    assert {verdict.test for verdict in found[student].verdicts} == set(lesson.tests)  # by the examiner, each
    row = rows[student]
    assert (row.score, row.status) == (row.max_score, "passed")
    released = nbformat.read(COURSE.release(lesson.unit), as_version=4)
    assert row.max_score == sum(cells.points(cell) for cell in released.cells if cells.is_test(cell))


@pytest.mark.slow
def test_an_untouched_release_scores_nothing(unit):
    _, _, rows, _ = unit
    assert (rows["untouched"].score, rows["untouched"].status) == (0, "failed")
    assert rows["untouched"].reason.startswith("No exercise was answered.")


@pytest.mark.slow
def test_wrong_answers_are_told_what_the_bank_says(unit):
    lesson, _, _, wrong = unit
    assert {one.exercise for one in wrong} == {test.exercise for test in lesson.tests.values()}
    assert [f"{one.exercise}, {one.answer}: {one.problem}" for one in wrong if one.problem] == []
