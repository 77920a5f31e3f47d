"""Whatever happened to the notebook, the answers are found, the tests are the lesson's, and it is said."""

import copy

import nbformat
import pytest

from autograder import cells
from autograder.grading.reading import parse_notebook
from autograder.grading.rebuild import listed, rebuild


@pytest.fixture
def rebuilt(lesson, released, tools):
    """rebuilt(edit) -> the rebuilt form of a notebook with right answers that `edit` changed."""
    def make(edit=None):
        notebook = copy.deepcopy(released)
        for name, source in tools.RIGHT.items():
            tools.cell_of(notebook, name).source = source
        notebook = (edit(notebook) if edit else None) or notebook
        return rebuild(lesson, parse_notebook(nbformat.writes(notebook).encode()))

    return make


@pytest.fixture
def answers(tools):
    def of(rebuilt):
        return {cells.grade_id(cell): cell.source for cell in rebuilt.notebook.cells if cells.is_solution(cell)}

    return of


@pytest.fixture
def whole(lesson, answers, tools):
    """Checks that all four answers are there and everything else is the lesson's own."""
    def check(rebuilt):
        assert answers(rebuilt) == tools.RIGHT
        for mine, stock in zip(rebuilt.notebook.cells, lesson.notebook.cells, strict=True):
            assert mine.metadata == stock.metadata
            assert mine.cell_type == stock.cell_type
            if not cells.is_solution(stock):
                assert mine.source == stock.source
            assert not mine.get("outputs")
        assert rebuilt.notebook.metadata == lesson.notebook.metadata

    return check


def test_a_proper_submission_has_nothing_to_note(rebuilt, whole):
    one = rebuilt()
    whole(one)
    assert one.notes == []
    assert one.answered == {"double", "area", "total", "written_why"}
    assert one.stray == set()


def test_an_untouched_release_has_no_answers(lesson, course, tools):
    one = rebuild(lesson, parse_notebook(course.release(tools.UNIT).read_bytes()))
    assert one.answered == set()
    assert one.notes == []


def test_white_space_at_the_ends_of_lines_is_no_answer(lesson, released, tools):
    cell = tools.cell_of(released, "double")
    cell.source = cell.source.replace("\n", "  \n") + "\n\n"
    assert rebuild(lesson, parse_notebook(nbformat.writes(released).encode())).answered == set()


def test_metadata_tags_and_outputs_of_the_student_do_not_survive(rebuilt, whole, tools):
    def edit(notebook):
        for cell in notebook.cells:
            cell.metadata["tags"] = ["skip-execution", "raises-exception"]
        test = tools.cell_of(notebook, "test_double")
        test.metadata.nbgrader["points"] = 100
        test.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2.0"}, execution_count=1)]

    one = rebuilt(edit)
    whole(one)
    assert one.notes == []


def test_edited_deleted_and_doubled_tests_are_the_lessons_again(rebuilt, whole, tools):
    def edit(notebook):
        tools.cell_of(notebook, "test_double").source = "pass"
        notebook.cells.remove(tools.cell_of(notebook, "test_area"))
        notebook.cells.append(copy.deepcopy(tools.cell_of(notebook, "test_total")))
        notebook.cells[-1].id = "another"

    one = rebuilt(edit)
    whole(one)
    assert one.notes == ["the test cell test_area was deleted, the original test ran",
                         "the test cell test_total was doubled, the original test ran",
                         "the test cell test_double was edited, the original test ran"]


def test_of_a_doubled_answer_the_last_that_is_written_in_is_taken(rebuilt, whole, lesson, tools):
    def edit(notebook):
        right = tools.cell_of(notebook, "double")
        stub, wrong = copy.deepcopy(right), copy.deepcopy(right)
        stub.source, wrong.source = lesson.answers["double"].source, "def double(x):\n    return 0"
        notebook.cells = [wrong, *notebook.cells, stub]
        wrong.id, stub.id = "a1", "a2"

    one = rebuilt(edit)
    whole(one)
    assert "the answer cell double is there 3 times; the last that is written in was graded" in one.notes


def test_a_deleted_answer_is_noted_and_unanswered(rebuilt, tools):
    one = rebuilt(lambda notebook: notebook.cells.remove(tools.cell_of(notebook, "area")))
    assert one.notes == ["the answer cell area is gone"]
    assert "area" not in one.answered


def test_answers_without_their_ids_are_found(rebuilt, whole, tools):
    def edit(notebook):
        for cell in notebook.cells:
            cell.metadata = nbformat.NotebookNode()

    one = rebuilt(edit)  # the cells' own ids are left
    whole(one)
    assert one.notes == []

    def edit_more(notebook):
        edit(notebook)
        for number, cell in enumerate(notebook.cells):
            cell.id = f"x{number}"

    one = rebuilt(edit_more)
    whole(one)
    assert one.notes == ["the answers to double, area, total and written_why were found in other cells than their own"]


def test_an_answer_in_an_extra_cell_counts_where_its_own_is_untouched(rebuilt, whole, lesson, tools):
    def edit(notebook):
        tools.cell_of(notebook, "area").source = lesson.answers["area"].source
        notebook.cells.append(nbformat.v4.new_code_cell(tools.RIGHT["area"]))

    one = rebuilt(edit)
    whole(one)
    assert one.notes == ["the answer to area was found in another cell than its own"]


def test_an_extra_cell_does_not_replace_an_answer(rebuilt, whole):
    one = rebuilt(lambda notebook: notebook.cells.append(nbformat.v4.new_code_cell("def area(r):\n    return 0")))
    whole(one)
    assert one.notes == ["1 extra code cell was left out"]


def test_helpers_in_extra_cells_are_left_out_and_named(rebuilt, tools):
    def edit(notebook):
        notebook.cells.insert(3, nbformat.v4.new_code_cell("def helper(x):\n    return 2 * x"))
        notebook.cells.insert(3, nbformat.v4.new_code_cell("print('scratch')"))
        tools.cell_of(notebook, "double").source = "def double(x):\n    return helper(x)"

    one = rebuilt(edit)
    assert one.stray == {"helper"}
    assert one.notes == ["2 extra code cells were left out, though the answers use helper from there"]


def test_played_with_demo_cells_are_nobodys_business(rebuilt):
    def edit(notebook):
        next(cell for cell in notebook.cells if "lab" in cells.tags(cell)).source = "x = 3"

    assert rebuilt(edit).notes == []


def test_another_order_another_type_and_another_kernel_are_noted(rebuilt, whole, tools):
    def edit(notebook):
        area = tools.cell_of(notebook, "area")
        notebook.cells.remove(area)
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(area.source, metadata=area.metadata, id=area.id))
        notebook.metadata.kernelspec = {"name": "julia-1.9", "display_name": "Julia"}

    one = rebuilt(edit)
    whole(one)
    assert one.notes == ["the answer cell area had become another type of cell", "the cells were in another order",
                         "the notebook asked for the kernel 'julia-1.9'"]


def test_nothing_at_all_is_graded_too(lesson):
    one = rebuild(lesson, parse_notebook(b'{"cells": []}'))
    assert one.answered == set()
    assert one.notes[0] == "none of this unit's answer cells is in the notebook, it may be of another unit"
    assert [cell.source for cell in one.notebook.cells] == [cell.source for cell in lesson.notebook.cells]


def test_lists_of_names():
    assert [listed("abcdef"[:n]) for n in (0, 1, 2, 4, 6)] == ["", "a", "a and b", "a, b, c and d",
                                                              "a, b, c, d and 2 more"]
