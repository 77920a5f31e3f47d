"""The harness on a lesson with one exercise tested well and one tested badly, and its verdicts one by one."""

import copy
import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from autograder.authoring import answers
from autograder.authoring.answer_report import render, report_answers
from autograder.authoring.answer_worker import stub, try_answers
from autograder.authoring.answers import check_answers, judge
from autograder.course import Course
from autograder.errors import AuthorError, UsageError

TINY = Path(__file__).parent / "fixtures" / "tiny_course"


@pytest.fixture(scope="module")
def report():
    return check_answers(Course(TINY))


@pytest.fixture
def tiny(tmp_path):
    """A copy of the tiny course, to be spoilt."""
    return Course(shutil.copytree(TINY, tmp_path / "course"))


def test_a_well_tested_exercise_has_no_problem(report):
    centre = report.units[0].exercises[0]
    assert centre.name == "centre" and centre.points == 2
    assert centre.problems == [] and centre.reference and centre.stub
    assert (centre.wrong_caught, centre.wrong, centre.right_accepted, centre.right) == (3, 3, 1, 1)
    assert centre.killed == centre.mutants >= 6
    assert centre.outputs == 9 and centre.outputs_passing == []


def test_a_badly_tested_exercise_is_told_all_that_is_wrong(report):
    problems = "\n".join(report.units[0].exercises[1].problems)
    for sentence in [
        "a test passes on the untouched stub",
        "the wrong answer smallest_first passes",
        "the message for returns_them_all lacks 'everything'; it is: AssertionError: the length is wrong\n"
        '  test_last_of, line 1: assert len(last_of([3, 1, 2], 2)) in (1, 2), "the length is wrong"',
        "the right answer no_such_name is refused: NameError: name 'undefined_name' is not defined",
        "mutants (",
        "return [2 * value // 2 for value in reversed(chosen)]: 2 * value -> value",
        "the bank declares equivalent what is no mutant: 'len(values) + 17'",
        "the bank declares a mutant equivalent that the tests kill: chosen = sorted(values[len(values) - n:]): "
        "len(values) - n: -> :",
        "its tests pass when the answer returns an extra leading dimension",
    ]:
        assert sentence in problems
    assert report.units[0].exercises[1].wrong_caught == 1, "leaves_the_house says its exit code"
    assert report.units[0].exercises[1].equivalents == 2


def test_the_report_reads_well_at_eighty_columns(report):
    console = Console(width=80, file=io.StringIO())
    console.print(render(report, survivors=True))
    text = console.file.getvalue()
    assert "exercise" in text and "✗" in text and "survives" in text and "to mend:" in text
    assert "…" not in text.split("survives")[0]


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_what_cannot_be_tried_is_one_clear_error(tiny):
    with pytest.raises(UsageError, match="There is no unit '7'"):
        check_answers(tiny, ["7"])
    with pytest.raises(AuthorError, match="has no exercise 'nought'; it has: centre, last_of"):
        try_answers(tiny, "01_tiny", ["nought"], 1, send=print)
    tiny.bank("01_tiny").unlink()
    with pytest.raises(AuthorError, match=r"Unit 01_tiny has no answer bank: write tests/units/bank_01_tiny\.py"):
        try_answers(tiny, "01_tiny", [], 1, send=print)


def test_an_error_in_the_lesson_comes_through(tiny):
    edit(tiny.source("01_tiny"), "seen_by_the_next_cell\n", "not_there\n")
    with pytest.raises(AuthorError, match="01_tiny, cell 2: NameError: name 'not_there' is not defined"):
        check_answers(tiny)


def test_a_reference_that_fails_and_a_stranger_in_the_bank_are_problems(tiny):
    edit(tiny.source("01_tiny"), "return x - x.mean", "return x + x.mean")
    edit(tiny.bank("01_tiny"), 'says="everything"', 'says="everything")\n@wrong("middle_of", says="length"')
    report = check_answers(tiny, exercises=["centre"])
    assert "bank_01_tiny.py names an exercise 'middle_of' that the unit does not have" in report.problems[0]
    assert "01_tiny: centre: the reference itself fails: AssertionError: you added the mean" in report.problems[1]


def test_a_lesson_that_leaves_a_thread_running_is_refused(tiny):
    edit(tiny.source("01_tiny"), "seen_by_the_next_cell\n",
         "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True, name='left').start()\n")
    with pytest.raises(answers.InfrastructureError, match="2 threads are alive before centre"):
        check_answers(tiny)


def test_the_command_prints_the_report_and_fails_with_three(capsys):
    with pytest.raises(AuthorError, match=r"9 to mend in the tests or the answer banks of 01_tiny\.") as caught:
        report_answers(Course(TINY), exercises=["last_of"])
    said = capsys.readouterr()
    assert caught.value.exit_code == 3
    assert "9 to mend:" in said.out and "centre" not in said.out
    assert said.err == "01_tiny last_of: 9 to mend (N s)\n".replace("N", said.err.split("(")[1].split()[0])


def test_the_stub_is_what_students_get():
    source = 'def f(x):\n    """Doc."""\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION'
    assert stub(source) == ('def f(x):\n    """Doc."""\n    # YOUR CODE HERE\n'
                            '    raise NotImplementedError("Write your answer here, then delete this line.")')


PASSED, FAILED = ({"status": status, "tests": [status], "message": "AssertionError: Mind `dim`", "where": "line 1"}
                  for status in ("passed", "failed"))
GOOD = {
    "name": "f", "points": 1, "tests": 1, "seconds": 1.0, "reference_seconds": 0.1, "reference": PASSED,
    "again": PASSED, "stub": FAILED,
    "answers": [*({"name": f"w{i}", "right": False, "says": "mind `DIM`", **FAILED} for i in range(3)),
                {"name": "r", "right": True, "says": "", **PASSED}],
    "outputs": [{"description": "None", "changed": 1, **FAILED}, {"description": "NaN", "changed": 0, **PASSED}],
    "mutants": [*({"description": f"m{i}", "declared": False, **FAILED} for i in range(20)),
                {"description": "same", "declared": True, **PASSED}],
    "equivalents": [{"mutant": "same", "why": "it is", "matches": ["same"]}], "mutants_found": 21,
}


def test_judge_finds_nothing_in_a_good_account():
    judged = judge(GOOD)
    assert judged.problems == [] and judged.kill_rate == 1 and judged.outputs == 1 and judged.equivalents == 1


@pytest.mark.parametrize(("spoil", "sentence"), [
    (lambda d: d.update(reference=FAILED), "f: the reference itself fails: AssertionError: Mind `dim`\nline 1"),
    (lambda d: d.update(again=FAILED), "the reference passes once and fails when its cell and its tests are run again"),
    (lambda d: d.update(stub=PASSED), "a test passes on the untouched stub"),
    (lambda d: d.update(stub={**FAILED, "tests": ["error", "passed"]}), "a test passes on the untouched stub"),
    (lambda d: d.update(tests=0), "no test cell follows it"),
    (lambda d: d["answers"][0].update(PASSED), "the wrong answer w0 passes"),
    (lambda d: d["answers"][0].update(says="scale"), "the message for w0 lacks 'scale'; it is: AssertionError: Mind"),
    (lambda d: d["answers"][3].update(FAILED), "the right answer r is refused"),
    (lambda d: d["answers"].pop(3), "the bank has 3 wrong and 0 right answers; at least"),
    (lambda d: d["answers"].pop(0), "the bank has 2 wrong and 1 right answers; at least 3 wrong and 1 right"),
    (lambda d: d["outputs"][0].update(PASSED), "its tests pass when the answer returns None"),
    (lambda d: [d["mutants"][i].update(PASSED) for i in range(2)], "kill 18 of 20 mutants (90%; at least 95% are"),
    (lambda d: d["mutants"][20].update(FAILED), "the bank declares a mutant equivalent that the tests kill: same"),
    (lambda d: d["equivalents"][0].update(matches=[]), "declares equivalent what is no mutant: 'same'"),
])
def test_judge_complains(spoil, sentence):
    data = copy.deepcopy(GOOD)
    spoil(data)
    problem, = judge(data).problems
    assert sentence in problem


def test_one_survivor_in_twenty_is_allowed_and_a_timeout_is_a_kill():
    data = copy.deepcopy(GOOD)
    data["mutants"][0].update(PASSED)
    data["mutants"][1].update(status="timeout")
    judged = judge(data)
    assert judged.problems == [] and judged.survivors == ["m0"] and judged.kill_rate == 0.95
