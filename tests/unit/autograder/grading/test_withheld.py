"""Whatever an answer puts into a message, what only hidden lines know does not get out of it."""

import copy

import pytest

from autograder.grading.lesson import Lesson
from autograder.grading.verdicts import Verdict
from autograder.grading.withheld import FALLBACK, Withheld

TEST = '''\
check.equal(double("ab"), "abab", hint="twice ab is abab")
### BEGIN HIDDEN TESTS
secret_word = "CANARY in words"
for size in (3, 4):
    check.equal(double(secret_word * size), 98765.25, hint=f"wrong for {size} words (or more)",
                mistakes={"you gave the text back as it came": secret_word})
assert double("q") == "qq", "CANARY in an assert"
came = double("qq")
if came != "qqqq":
    raise CheckFailed(f"nobody else has seen {came}")
check.that(double(b"CANARY in bytes") is not None, "it must work for bytes as well")
### END HIDDEN TESTS
'''


@pytest.fixture(scope="module")
def withheld(lesson):
    notebook = copy.deepcopy(lesson.notebook)
    for cell in notebook.cells:
        if cell.get("id") == "test_double":
            cell.source = TEST
    return Withheld(Lesson(lesson.unit, notebook, lesson.shown))


def told(withheld, message, status="failed", hidden=True):
    return withheld.verdict(Verdict("test_double", "double", status, 0, 2, message, hidden)).message


@pytest.mark.parametrize("message, want", [
    ("wrong for 3 words (or more) (wanted a str, got None: does every path of your function end in `return`?)",
     "wrong for 3 words (or more) (wanted a str, got None: does every path of your function end in `return`?)"),
    ("wrong for 3 words (or more)", "wrong for 3 words (or more)"),
    ("nobody else has seen CANARY in words", "nobody else has seen"),
    ("it must work for bytes as well", "it must work for bytes as well"),
    ("you gave the text back as it came (got the str 'CANARY in words', which is not right)",
     "you gave the text back as it came"),
    ("you gave the text back as it came (wanted shape (2, 3), got (3, 2))",
     "you gave the text back as it came (wanted shape (2, 3), got (3, 2))"),
    ("you gave the text back as it came (3 of 4 values are wrong; the first, at [0], is 98765.25)",
     "you gave the text back as it came (3 of 4 values are wrong)"),
    ("you gave the text back as it came (at [0][1]: wanted 3 entries, got 98)",
     "you gave the text back as it came (at [0][1]: wanted 3 entries, got 98)"),
    ("wanted a list, got the str 'CANARY in words'", "Wanted a list, got a str."),
    ("wanted a str, got the int 98765", "Wanted a str, got an int."),
    ("wanted dtype float32, got float64", "Wanted dtype float32, got float64."),
])
def test_of_a_hidden_check_the_authors_sentence_stays_and_what_holds_no_value(withheld, message, want):
    assert told(withheld, message) == want


@pytest.mark.parametrize("message", [
    "CANARY in an assert",
    "CANARY in words is what came",
    "at ['CANARY in words']: wanted 3 entries, got 4",
    "got the str 'wanted shape (98765,), got (25)', which is not right",
    "wanted ValueError, got KeyError: CANARY in words",
])
def test_what_a_student_can_shape_is_not_told(withheld, message):
    assert told(withheld, message) == FALLBACK


@pytest.mark.parametrize("message, want", [
    ("ValueError (line 2 of your `double` cell: `raise ValueError(x)`)",) * 2,
    ("CANARYwords (line 2 of your `double` cell: `raise make(x)`)",
     "An error of its own kind (line 2 of your `double` cell: `raise make(x)`)"),
    ("The test stopped with TypeError: does `double` return what the exercise asks for?",) * 2,
    ("The test stopped with CANARYwords: does `double` return what the exercise asks for?",
     "The test stopped with An error of its own kind: does `double` return what the exercise asks for?"),
    ("CANARY in words\n!", "`double` stopped with an error in the hidden test."),
])
def test_an_error_keeps_its_type_if_python_has_it_and_the_students_own_line(withheld, message, want):
    assert told(withheld, message, "error") == want


def test_an_assertion_of_the_students_own(withheld):
    message = "AssertionError (line 3 of your `double` cell: `assert x`)"
    assert told(withheld, message) == message


@pytest.mark.parametrize("message, want", [
    ("ValueError: seen before: CANARY in words (line 2 of your `double` cell: `raise`)",
     "ValueError: seen before: … (line 2 of your `double` cell: `raise`)"),
    ("ValueError: 98765.25, b'CANARY in bytes', secret_word", "ValueError: …, b'…', …"),
    ("twice ab is abab (got the str 'a', which is not right)",) * 2,
    ("`double` did not finish within 10 seconds",) * 2,
])
def test_elsewhere_the_literals_and_names_of_hidden_lines_are_blotted_out(withheld, message, want):
    assert told(withheld, message, "error", hidden=False) == want
    assert withheld.text(message) == want


def test_without_a_message_nothing_changes(withheld):
    verdict = Verdict("test_double", "double", "passed", 2, 2)
    assert withheld.verdict(verdict) is verdict


def test_a_lesson_without_hidden_lines_blots_nothing(lesson):
    notebook = copy.deepcopy(lesson.notebook)
    notebook.cells = [cell for cell in notebook.cells if "HIDDEN" not in cell.source]
    assert Withheld(Lesson(lesson.unit, notebook, lesson.shown)).text("4321 and 1234.5") == "4321 and 1234.5"
