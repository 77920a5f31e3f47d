"""The lesson decides what runs where."""

from autograder.grading.lesson import load_lesson
from autograder.grading.plan import steps_of
from autograder.grading.steps import ANSWER, DEPENDENT, OWN, TEST


def steps(course, unit):
    return steps_of(load_lesson(course, unit))


def test_cells_that_read_a_students_name_are_the_students(course):
    found = {step.source.split("\n")[0]: step.kind for step in steps(course, "01_tiny") if step.source}
    assert found["import math"] == OWN
    assert found["shown = double(2.0)"] == DEPENDENT


def test_order_and_kinds(course):
    kinds = [step.kind for step in steps(course, "01_tiny")]
    assert kinds == [OWN, ANSWER, TEST, DEPENDENT, ANSWER, TEST, ANSWER, TEST, TEST]


def test_a_test_gets_functions_and_values_apart(course):
    tests = {step.grade_id: step for step in steps(course, "02_sides") if step.kind == TEST}
    assert (tests["test_draw"].functions, tests["test_draw"].values) == (("draw",), ())
    # `answer` stands between solution markers alone; `log` and `grown` are the lesson's, and filled by answers
    assert (tests["test_answer"].functions, tests["test_answer"].values) == ((), ("answer", "grown", "log"))
    assert tests["test_uses_step"].functions == ("uses_step",)


def test_the_zygote_is_told_no_test_and_no_solution(course):
    shown = [step for step in steps(course, "02_sides") if step.kind == OWN]
    assert not any("check.equal" in step.source or "SOLUTION" in step.source for step in shown)
