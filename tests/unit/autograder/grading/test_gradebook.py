"""nbgrader's gradebook holds what stock nbgrader would have put there, and keeps what people put there."""

import copy
import shutil
from pathlib import Path

import pytest

from autograder.errors import UsageError
from autograder.grading.examine import denied
from autograder.grading.gradebook import Gradebook
from autograder.grading.lesson import Lesson
from autograder.grading.outcome import answers_of
from autograder.grading.verdicts import Verdict


@pytest.fixture
def path(tmp_path, empty_gradebook):
    return Path(shutil.copyfile(empty_gradebook, tmp_path / "gradebook.db"))


@pytest.fixture
def book(path, lesson):
    with Gradebook(path, lesson) as opened:
        yield opened


@pytest.fixture
def graded(lesson, tools):
    """graded(passed, **answers) -> (verdicts, notebook)"""
    def make(*passed, **answers):
        notebook = copy.deepcopy(lesson.notebook)
        for name, source in answers.items():
            tools.cell_of(notebook, name).source = source
        verdicts = [Verdict(test.grade_id, test.exercise, "passed" if test.grade_id in passed else "failed",
                            test.points if test.grade_id in passed else 0, test.points)
                    for test in lesson.tests.values()]
        return verdicts, notebook

    return make


def set_by_hand(book, student, cell, points, comment=None):
    grade = book.book.find_grade(cell, "01_tiny", "01_tiny", student)
    grade.manual_score, grade.needs_manual_grade = points, False
    if comment:
        book.book.find_comment(cell, "01_tiny", "01_tiny", student).manual_comment = comment
    book.book.db.commit()


def test_the_assignment_is_recorded_as_nbgrader_does(book):
    notebook = book.book.find_notebook("01_tiny", "01_tiny")
    assert {cell.name: cell.max_score for cell in notebook.grade_cells} == {
        "test_double": 2, "test_area": 3, "test_total": 1, "test_total_empty": 1, "written_why": 2}
    assert {cell.name for cell in notebook.solution_cells} == {"double", "area", "total", "written_why"}
    assert "1234.5" in book.book.find_source_cell("test_double", "01_tiny", "01_tiny").source


def test_points_come_from_verdicts_and_texts_wait_for_a_person(book, graded):
    book.record("ann", *graded("test_double", "test_total", double="x", written_why="Because."))
    standing = book.standing("ann")
    assert (standing.auto, standing.max_auto, standing.written, standing.max_written) == (3, 7, 0, 2)
    assert standing.pending == ("written_why",)
    assert book.book.find_submission("01_tiny", "ann").needs_manual_grade
    assert standing.comments == {"area": "No response.", "total": "No response."}


def test_an_untouched_text_has_zero_points_at_once(book, graded):
    book.record("ann", *graded())
    assert book.standing("ann").pending == ()
    assert book.book.find_grade("written_why", "01_tiny", "01_tiny", "ann").auto_score == 0


def test_manual_grades_and_comments_stay_through_a_regrade(book, graded):
    first = graded("test_double", written_why="Because.")
    book.record("ann", *first)
    assert not book.written_counts()
    set_by_hand(book, "ann", "written_why", 1.5, "Go on.")
    set_by_hand(book, "ann", "test_area", 2)
    assert book.written_counts()
    book.record("ann", *graded("test_double", "test_total", written_why="Because."), before=answers_of(first[1]))
    standing = book.standing("ann")
    assert (standing.auto, standing.written, standing.pending) == (5, 1.5, ())
    assert standing.comments["written_why"] == "Go on."


def test_a_manual_grade_asks_for_another_look_when_the_answer_changed(book, graded):
    first = graded(written_why="Because.")
    book.record("ann", *first)
    set_by_hand(book, "ann", "written_why", 1.5)
    book.record("ann", *graded(written_why="Because of that."), before=answers_of(first[1]))
    assert book.standing("ann").pending == ("written_why",)
    assert book.standing("ann").written == 1.5


def test_a_submission_is_written_whole_or_not_at_all(book, graded):
    verdicts, notebook = graded("test_double")
    with pytest.raises(KeyError):
        book.record("ann", verdicts[:1], notebook)
    assert book.submitted() == set()
    assert book.students() == []
    book.record("ann", verdicts, notebook)
    changed, _ = graded("test_double", "test_area")
    with pytest.raises(KeyError):
        book.record("ann", changed[:2], notebook)
    assert book.standing("ann").auto == 2


def test_what_was_denied_has_zero_points(book, lesson):
    outcome = denied(lesson, "ann", "unreadable", "x.")
    book.record("ann", outcome.verdicts, lesson.notebook)
    assert book.standing("ann").auto == 0


def test_absent_students_are_known_without_a_submission(book):
    book.add_students(["ann", "bob"])
    assert book.students() == ["ann", "bob"]
    assert book.standing("ann") is None
    assert book.submitted() == set()


def test_the_same_gradebook_opens_again(path, lesson, graded):
    for _ in range(2):
        with Gradebook(path, lesson) as book:
            book.record("ann", *graded("test_double"))
            assert book.standing("ann").auto == 2


def test_other_cells_than_those_graded_before_are_refused(path, lesson, graded):
    with Gradebook(path, lesson) as book:
        book.record("ann", *graded())
    fewer = copy.deepcopy(lesson.notebook)
    fewer.cells = [cell for cell in fewer.cells if cell.get("id") != "test_area"]
    with pytest.raises(UsageError, match="older 01_tiny"), \
            Gradebook(path, Lesson("01_tiny", fewer, lesson.shown)):
        pass
