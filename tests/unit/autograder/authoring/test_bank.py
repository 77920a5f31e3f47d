"""The bank file: what is declared, as what source, and what is refused."""

import ast
import textwrap

import pytest

from autograder.authoring.bank import Equivalent, answer_source, read_bank
from autograder.errors import AuthorError


@pytest.fixture
def bank_of(tmp_path):
    def write(text):
        path = tmp_path / "bank_01_tiny.py"
        path.write_text("from autograder.authoring.bank import equivalent, right, wrong\n" + textwrap.dedent(text),
                        encoding="utf-8")
        return read_bank(path, "01_tiny")

    return write


def test_declarations_are_kept_in_order_by_exercise(bank_of):
    bank = bank_of('''
        @wrong("add", says="minus")
        def subtracts(a, b):
            return a - b

        @right("add")
        def the_other_way_round(a, b):
            return b + a

        equivalent("add", "a + b -> b + a", why="addition commutes")
    ''')
    assert [answer.name for answer in bank.wrong("add")] == ["subtracts"]
    assert bank.wrong("add")[0].says == "minus"
    assert [answer.name for answer in bank.right("add")] == ["the_other_way_round"]
    assert bank.equivalent("add") == [Equivalent("add", "a + b -> b + a", "addition commutes")]
    assert bank.wrong("other") == bank.right("other") == bank.equivalent("other") == []


def test_the_source_is_named_as_the_exercise_and_keeps_its_comments(bank_of):
    answer, = bank_of('''
        @wrong("factorial",
               says="zero")
        # about the function
        def zählt_ab(n):
            # down to one
            ü = "zählt_ab stays in text"; return n * zählt_ab(n - 1) if n else 0  # not 1
    ''').answers
    assert answer.source == (
        "def factorial(n):\n"
        "    # down to one\n"
        '    ü = "zählt_ab stays in text"; return n * factorial(n - 1) if n else 0  # not 1\n')
    ast.parse(answer.source)


def test_one_function_may_answer_two_exercises(bank_of):
    bank = bank_of('''
        @wrong("relu", says="x")
        @wrong("silu", says="y")
        def identity(z):
            return z
    ''')
    assert bank.wrong("relu")[0].source.startswith("def relu(z)")
    assert bank.wrong("silu")[0].source.startswith("def silu(z)")


def test_a_class_is_an_answer_too(bank_of):
    answer, = bank_of('''
        @right("Counter")
        class Other:
            def again(self):
                return Other()
    ''').answers
    assert answer.source == "class Counter:\n    def again(self):\n        return Counter()\n"


def test_a_function_within_a_function_loses_its_indent():
    def inner(x):
        if x:
            return 1

    assert answer_source(inner, "outer") == "def outer(x):\n    if x:\n        return 1\n"


def test_equivalents_are_told_by_part_of_the_description():
    one = Equivalent("softmax", "amax ->  amin", "why")
    assert one.matches("y = x.amax(dim): amax -> amin")
    assert not one.matches("y = x.amax(dim): amin -> amax")


def test_an_exercise_that_the_unit_does_not_have_is_named(bank_of):
    bank = bank_of('''
        @wrong("add", says="minus")
        def subtracts(a, b):
            return a - b
    ''')
    assert bank.strangers(["add"]) == []
    assert bank.strangers(["plus", "minus"]) == [
        "bank_01_tiny.py names an exercise 'add' that the unit does not have; it has: plus, minus."]


@pytest.mark.parametrize(("text", "sentence"), [
    ('@wrong("add", says=" ")\ndef f(a):\n    return a\n', "says nothing"),
    ('equivalent("add", "a -> b", why="")', "needs a part of its description and a reason"),
    ("def f(:\n", "line 2: SyntaxError"),
    ("x = 1\n1 / 0\n", "line 3: ZeroDivisionError"),
    ('def help(a):\n    return a\n@right("add")\ndef f(a, b):\n    return help(a) + b\n', "uses help of the bank file"),
])
def test_a_bad_bank_is_one_clear_sentence(bank_of, text, sentence):
    with pytest.raises(AuthorError, match=sentence):
        bank_of(text)


def test_a_local_name_may_be_the_name_of_a_bank_function(bank_of):
    assert len(bank_of('''
        @right("add")
        def total(a, b):
            return a + b

        @right("plus")
        def other(a, b):
            total = a + b
            return total
    ''').answers) == 2
