"""A notebook is run to its end whatever one answer does."""

import copy
import time

import pytest

from autograder import cells
from autograder.errors import InfrastructureError
from autograder.grading.execute import execute
from autograder.grading.limits import Limits


@pytest.fixture
def run(lesson, tools):
    def go(limits=None, **answers):
        notebook = copy.deepcopy(lesson.notebook)
        for name, source in {**tools.RIGHT, **answers}.items():
            tools.cell_of(notebook, name).source = source
        done = execute(lesson, notebook, limits or Limits(cell=20, grace=1))
        statuses = {cells.grade_id(done.notebook.cells[i]): reply.status for i, reply in done.replies.items()}
        return done, {name: statuses.get(name) for name in lesson.tests}

    return go


PASSED = {"test_double": "ok", "test_area": "ok", "test_total": "ok", "test_total_empty": "ok"}


def test_right_answers_pass_and_outputs_are_in_the_notebook(run):
    done, tests = run(double="def double(x):\n    return 2 * x\nprint('hello')")
    assert tests == PASSED
    assert any("hello" in str(cell.get("outputs")) for cell in done.notebook.cells)
    assert done.culprits == {}


def test_a_deadly_function_costs_its_own_tests_and_those_that_call_it(run):
    done, tests = run(double="import os\ndef double(x):\n    os._exit(1)",
                      total="def total(xs):\n    return sum(double(x) for x in xs) + 0.0")
    assert tests == {"test_double": "killed", "test_area": "ok", "test_total": "error", "test_total_empty": "ok"}
    assert list(done.culprits) == ["double"]


def test_a_deadly_answer_cell_costs_its_own_tests(run):
    done, tests = run(area="import os\nos._exit(1)")
    assert tests == {**PASSED, "test_area": None}
    assert done.culprits["area"].status == "killed"


def test_a_second_death_in_the_same_answer_costs_no_further_start(run):
    done, tests = run(total="import os\ndef total(xs):\n    os._exit(1)")
    assert tests == {**PASSED, "test_total": "killed", "test_total_empty": None}
    assert list(done.culprits) == ["total"]


def test_everything_before_a_death_is_run_again(run):
    _, tests = run(double="state = []\ndef double(x):\n    return 2 * x",
                   area="import os\ndef area(r):\n    os._exit(1)",
                   total="def total(xs):\n    return float(sum(map(double, xs))) + len(state)")
    assert tests == {**PASSED, "test_area": "killed"}


def test_an_endless_answer_cell_is_cut_and_the_rest_goes_on(run):
    _, tests = run(Limits(cell=2, grace=1), area="def area(r):\n    return math.pi * r * r\nwhile True: pass")
    assert tests == PASSED  # what it had defined by then counts: the tests ran and passed


def test_many_endless_tests_do_not_cost_many_time_outs(run):
    start = time.monotonic()
    done, tests = run(Limits(cell=40, notebook=6, grace=1),
                      double="def double(x):\n    while True: pass",
                      area="def area(x):\n    while True: pass", total="def total(x):\n    while True: pass")
    assert tests["test_double"] == "timeout"
    assert done.out_of_time
    assert time.monotonic() - start < 20


def test_the_lessons_own_failure_is_not_the_students(lesson):
    notebook = copy.deepcopy(lesson.notebook)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = "import no_such_module"
    with pytest.raises(InfrastructureError, match=r"import no_such_module.*ModuleNotFoundError"):
        execute(lesson, notebook, Limits(cell=20))
