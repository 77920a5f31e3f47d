"""Running a lesson's cells: which ones, in what namespace, and how an error in one is told."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authoring.lesson_run import Lesson, environment
from autograder.errors import AuthorError


def lesson(*sources):
    return Lesson("01_tiny", new_notebook(cells=[new_code_cell(source) for source in sources]))


def test_cells_share_a_namespace_and_may_end_in_an_expression():
    one = lesson("import math\nx = 2\nx", "def f():\n    return x * math.pi\nf()", "display(x)")
    for index in range(3):
        one.run_cell(index)
    assert one.namespace["f"]() == pytest.approx(6.2831853)
    assert one.namespace["__name__"] == "__lesson__"
    assert "math" in one.modules and "f" not in one.modules


def test_text_labs_and_demonstrations_are_not_run():
    lab, demo, plain = new_code_cell("1"), new_code_cell("2"), new_code_cell("3")
    lab.metadata.tags, demo.metadata.tags = ["lab"], ["hide", "demo"]
    one = Lesson("01_tiny", new_notebook(cells=[new_markdown_cell("text"), lab, demo, plain]))
    assert [one.runs(index) for index in range(4)] == [False, False, False, True]


def test_an_error_shows_the_lines_of_the_lesson():
    one = lesson("def halve(x):\n    return x / 0", "y = 1\nhalve(y)  # here")
    one.notebook.cells[0].metadata.nbgrader = {"grade_id": "halve"}
    one.run_cell(0)
    with pytest.raises(AuthorError) as caught:
        one.run_cell(1)
    assert str(caught.value).splitlines() == [
        "01_tiny, cell 2: ZeroDivisionError: division by zero",
        "  cell 2, line 2: halve(y)  # here",
        "  halve, line 2: return x / 0",
    ]


@pytest.mark.parametrize("source", ["%matplotlib inline", "def f(:", "raise SystemExit(1)"])
def test_what_cannot_run_is_the_authors_error(source):
    with pytest.raises(AuthorError, match="01_tiny, cell 1: "):
        lesson(source).run_cell(0)


def test_the_environment_is_that_of_grading_with_one_thread():
    got = environment({"PATH": "/bin", "OMP_NUM_THREADS": "8"})
    assert got["OMP_NUM_THREADS"] == "1" and got["PATH"] == "/bin"
    assert got["NBGRADER_EXECUTION"] == "autograde" and got["MPLBACKEND"] == "Agg"
