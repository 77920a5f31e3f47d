"""The stock that submissions are graded against."""

import shutil

import nbformat
import pytest

from autograder import cells
from autograder.course import Course
from autograder.errors import AuthorError, UsageError
from autograder.grading.lesson import load_lesson, without_hidden

UNIT = "01_tiny"


def test_hidden_tests_are_put_back_and_answers_are_not(lesson):
    code = "\n".join(cell.source for cell in lesson.notebook.cells)
    assert "1234.5" in code
    assert "return 2 * x" not in code
    assert "adding nothing" not in code


def test_what_is_only_shown_is_not_run(lesson):
    assert not any({"lab", "demo"} & set(cells.tags(cell)) for cell in lesson.notebook.cells)
    assert any("lab" in cells.tags(cell) for cell in lesson.shown)


def test_answers_tests_and_points(lesson):
    assert lesson.code_answers == ["double", "area", "total"]
    assert lesson.written == {"written_why": 2.0}
    assert {name: (test.exercise, test.points) for name, test in lesson.tests.items()} == {
        "test_double": ("double", 2), "test_area": ("area", 3), "test_total": ("total", 1),
        "test_total_empty": ("total", 1)}
    assert lesson.max_auto == 7
    assert lesson.names("area") == ["area"]


def test_hidden_lines_are_known_by_number(lesson):
    test = lesson.tests["test_double"]
    lines = test.source.split("\n")
    assert [lines[number - 1] for number in sorted(test.hidden_lines)] == [
        "secret = 1234.5", 'expect(double(secret), 2469.0, "it must work for every number")']
    assert without_hidden(test.source) == 'expect(double(3.0), 6.0, "twice 3 is 6")'
    assert lesson.tests["test_total"].hidden_lines == frozenset()


@pytest.fixture
def copied(course, tmp_path):
    shutil.copytree(course.root, tmp_path / "course")
    return Course(tmp_path / "course")


def test_an_unbuilt_unit_names_the_command(copied):
    copied.release(UNIT).unlink()
    with pytest.raises(UsageError, match=f"course build {UNIT}"):
        load_lesson(copied, UNIT)


def test_a_release_of_another_source_is_refused(copied):
    path = copied.source(UNIT)
    path.write_text(path.read_text().replace("expect(double(3.0), 6.0", "expect(double(4.0), 8.0"))
    with pytest.raises(AuthorError, match="test_double differs"):
        load_lesson(copied, UNIT)
    path.write_text(path.read_text().replace('"grade_id": "test_area"', '"grade_id": "test_circle"'))
    with pytest.raises(AuthorError, match="other tests"):
        load_lesson(copied, UNIT)


def test_the_source_notebook_serves_where_the_lesson_is_not_there(copied):
    copied.source(UNIT).unlink()
    assert "1234.5" in load_lesson(copied, UNIT).tests["test_double"].source
    copied.source_notebook(UNIT).unlink()
    with pytest.raises(UsageError, match="no source"):
        load_lesson(copied, UNIT)


def test_a_lesson_without_tests_has_nothing_to_grade(copied):
    for path in (copied.source_notebook(UNIT), copied.release(UNIT)):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = [cell for cell in notebook.cells if not cells.is_test(cell)]
        nbformat.write(notebook, path)
    copied.source(UNIT).unlink()
    with pytest.raises(AuthorError, match="nothing to grade"):
        load_lesson(copied, UNIT)
