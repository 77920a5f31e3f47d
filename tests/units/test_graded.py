"""Grading and the answer bank agree: the reference, and of each exercise a right and a wrong answer, behind the wall.

`course check --graded` tries the whole bank so.
"""

import pytest

from autograder.course import Course
from autograder.graded_answers import graded_answers
from autograder.grading.lesson import load_lesson

COURSE = Course.find()


@pytest.mark.parametrize("unit", COURSE.units)
def test_answers_are_graded_as_the_bank_says(unit):
    seen = set()

    def first_of_its_kind(answer):
        kind = answer.exercise, answer.right
        new = kind not in seen
        seen.add(kind)
        return new

    graded = list(graded_answers(COURSE, unit, jobs=1, wanted=first_of_its_kind))
    assert [f"{one.exercise}, {one.answer}: {one.problem}" for one in graded if one.problem] == []
    run_apart = {verdict.test for one in graded if one.answer is None for verdict in one.verdicts}
    assert run_apart == set(load_lesson(COURSE, unit).tests)  # every test cell of the unit, and by the examiner
