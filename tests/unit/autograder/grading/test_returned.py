"""The notebook in autograded/ is the release with answers, and nothing of the run but our messages."""

import nbformat
from nbgrader.utils import compute_checksum, determine_grade, is_grade

from autograder.grading.returned import as_text, returned
from autograder.grading.verdicts import Verdict, deny


def verdicts(lesson, *failed):
    return [Verdict(t.grade_id, t.exercise, "failed" if t.grade_id in failed else "passed",
                    0 if t.grade_id in failed else t.points, t.points, "twice 3 is 6" if t.grade_id in failed else "")
            for t in lesson.tests.values()]


def test_answers_stand_in_the_release_and_failed_tests_say_why(lesson, tools):
    notebook = returned(lesson, tools.RIGHT, verdicts(lesson, "test_double"))
    nbformat.validate(notebook)
    assert tools.cell_of(notebook, "area").source == tools.RIGHT["area"]
    assert tools.cell_of(notebook, "test_area").outputs == []
    (said,) = tools.cell_of(notebook, "test_double").outputs
    assert (said.output_type, said.evalue, said.traceback) == ("error", "twice 3 is 6", ["Not right yet: twice 3 is 6"])


def test_tests_are_as_students_got_them(lesson, tools):
    notebook = returned(lesson, tools.RIGHT, verdicts(lesson, "test_double"))
    assert "1234.5" not in nbformat.writes(notebook)
    shown = {cell.get("id"): cell for cell in lesson.shown}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("locked"):
            assert (cell.source, cell.metadata) == (shown[cell.id].source, shown[cell.id].metadata)
            assert cell.metadata.nbgrader["checksum"] == compute_checksum(cell)


def test_nbgrader_reads_the_same_points_from_it(lesson, tools):
    notebook = returned(lesson, tools.RIGHT, verdicts(lesson, "test_double", "test_total"))
    points = {cell.metadata.nbgrader["grade_id"]: determine_grade(cell)[0] for cell in notebook.cells if is_grade(cell)}
    assert points == {"test_double": 0, "test_area": 3, "test_total": 0, "test_total_empty": 1, "written_why": None}


def test_what_could_not_be_run_is_the_untouched_lesson_under_a_line_that_says_why(lesson):
    notebook = returned(lesson, {}, deny(lesson, "unreadable", "x"), "x.ipynb is empty.")
    nbformat.validate(notebook)
    assert notebook.cells[0].source == "**Not graded.** x.ipynb is empty."
    assert [cell.id for cell in notebook.cells[1:]] == [cell.id for cell in lesson.notebook.cells]
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_it_is_written_as_nbformat_writes_it(lesson, tools):
    notebook = returned(lesson, {**tools.RIGHT, "double": "def double(x):\r\n    return 'ä\u2028b'\n"},
                        verdicts(lesson, "test_double"))
    assert as_text(notebook) == nbformat.writes(notebook) + "\n"


def test_the_lesson_stays_as_it_is(lesson, tools):
    before = nbformat.writes(lesson.notebook), [dict(cell) for cell in lesson.shown]
    returned(lesson, tools.RIGHT, verdicts(lesson, "test_double"))
    assert (nbformat.writes(lesson.notebook), [dict(cell) for cell in lesson.shown]) == before
