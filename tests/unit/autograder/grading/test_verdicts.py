"""Default deny: what scores, what does not, and what each ending is called. Everything here really runs."""

import nbformat
import pytest

from autograder.grading.examine import examine, grade_one
from autograder.grading.limits import Limits
from autograder.grading.reading import parse_notebook
from autograder.grading.rebuild import rebuild
from autograder.grading.submissions import Submission

LIMITS = Limits(cell=3)


@pytest.fixture
def judged(lesson, released, tools, engine, monkeypatch):
    """judged(double="...") -> the verdicts by test, all other answers right."""
    monkeypatch.setattr(engine, "limits", LIMITS)

    def go(**answers):
        for name, source in {**tools.RIGHT, **answers}.items():
            tools.cell_of(released, name).source = source
        rebuilt = rebuild(lesson, parse_notebook(nbformat.writes(released).encode()))
        return {verdict.test: verdict for verdict in examine(lesson, rebuilt, engine).verdicts}

    return go


def of_double(verdicts):
    verdict = verdicts["test_double"]
    others = {name: one.status for name, one in verdicts.items() if name != "test_double"}
    assert others == dict.fromkeys(others, "passed")
    assert verdict.points == (2 if verdict.status == "passed" else 0)
    return verdict


def test_full_points_for_right_answers_that_warn_and_print(judged):
    verdict = of_double(judged(double="import sys, warnings\ndef double(x):\n    warnings.warn('deprecated')\n"
                                      "    print('note', file=sys.stderr)\n    print(0.0)\n    return 2 * x"))
    assert (verdict.status, verdict.message) == ("passed", "")


def test_printed_and_displayed_numbers_never_score(judged):
    tricks = "get_ipython().displayhook(2.0); get_ipython().displayhook(-5.0); print(2.0); display(2.0)"
    verdict = of_double(judged(double=f"def double(x):\n    {tricks}\n    return 0.0"))
    assert (verdict.status, verdict.message) == ("failed", "twice 3 is 6 (got 0.0)")


def test_an_answer_that_needs_an_untouched_one_says_which(judged, lesson):
    verdicts = judged(double=lesson.answers["double"].source,
                      total="def total(xs):\n    return sum(double(x) for x in xs) + 0.0")
    assert (verdicts["test_double"].status, verdicts["test_double"].answered) == ("failed", False)
    assert verdicts["test_double"].message == "`double` is not answered yet."
    assert verdicts["test_total"].status == "failed"
    assert verdicts["test_total"].message == "This needs `double`, which is not answered yet."
    assert verdicts["test_total_empty"].status == "passed"


def test_a_timeout_says_how_long_it_had(judged):
    verdict = of_double(judged(double="def double(x):\n    while True: pass"))
    assert verdict.status == "timeout"
    assert "did not finish within 3 seconds" in verdict.message


def test_a_dead_kernel_is_no_earned_zero(judged):
    verdicts = judged(area="import os, signal\ndef area(r):\n    os.kill(os.getpid(), signal.SIGSEGV)",
                      total="import os\nos._exit(0)")
    assert verdicts["test_double"].status == "passed"
    assert (verdicts["test_area"].status, verdicts["test_total"].status) == ("killed", "killed")
    assert "SIGSEGV" in verdicts["test_area"].message
    assert verdicts["test_total_empty"].message.startswith("Not run: `total` ended the Python process")


def test_what_cannot_be_read_or_is_not_there_is_denied(lesson, tmp_path, engine):
    path = tmp_path / "broken.ipynb"
    path.write_text("{")
    broken = grade_one(lesson, Submission("ann", path), engine)
    absent = grade_one(lesson, Submission("bob"), engine)
    assert (broken.status, absent.status) == ("unreadable", "missing")
    assert broken.problem == "broken.ipynb is broken JSON, line 1: the file was cut off or edited by hand."
    assert absent.problem == "Handed in nothing."
    assert {verdict.status for verdict in broken.verdicts} == {"unreadable"}
    assert sum(verdict.points for verdict in [*broken.verdicts, *absent.verdicts]) == 0
