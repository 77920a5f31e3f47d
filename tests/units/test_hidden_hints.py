"""What a hidden test says must reach the student, though all that an answer could have put there is kept back."""

import ast

import pytest

from autograder.course import Course
from autograder.grading.lesson import load_lesson
from autograder.grading.verdicts import Verdict
from autograder.grading.withheld import FALLBACK, Withheld

COURSE = Course.find()


def hints(test):
    """(line, message with some value in each gap) of every hint in the hidden lines of a test."""
    for node in ast.walk(ast.parse(test.source)):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            if keyword.arg != "hint" or node.lineno not in test.hidden_lines:
                continue
            if isinstance(keyword.value, ast.Constant):
                yield node.lineno, keyword.value.value
            elif isinstance(keyword.value, ast.JoinedStr):
                parts = keyword.value.values
                yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "7" for part in parts)


@pytest.mark.parametrize("unit", COURSE.units)
def test_every_hint_of_a_hidden_test_reaches_the_student(unit):
    lesson = load_lesson(COURSE, unit)
    withheld, said = Withheld(lesson), []
    for test in lesson.tests.values():
        for line, hint in hints(test):
            message = f"{hint} (wanted 7, got 8)"
            verdict = Verdict(test.grade_id, test.exercise, "failed", 0.0, 1.0, message, hidden=True)
            said.append((test.grade_id, line, hint, withheld.verdict(verdict).message))
    assert said
    assert [one for one in said if one[-1] == FALLBACK] == []
