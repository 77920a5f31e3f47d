"""Output mutants: each spoils what it should, nested too, and says when it changed nothing."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import torch

from autograder.authoring.output_mutants import OUTPUT_MUTANTS, same, wrap

BY_NAME = {mutant.description: mutant for mutant in OUTPUT_MUTANTS}


class Pair(NamedTuple):
    w: torch.Tensor
    name: str


def spoil(name, value, *args):
    """(what comes back, whether it counted as changed)."""
    wrapped = wrap(lambda *_: value, BY_NAME[name])
    return wrapped.function(*args), bool(wrapped.changed[0])


def test_the_nine_of_the_rules_are_there():
    assert list(BY_NAME) == ["None", "[]", "an empty tensor", "True", "the first argument back", "NaN", "truncated",
                             "an extra leading dimension", "float64 in place of float32"]


@pytest.mark.parametrize(("name", "value", "want"), [
    ("None", 1.5, None),
    ("[]", torch.ones(2), []),
    ("an empty tensor", [1], torch.empty(0)),
    ("True", torch.ones(2), True),
    ("NaN", torch.ones(2), torch.tensor([float("nan")] * 2)),
    ("NaN", {"a": [(1.0, "x")]}, {"a": [(float("nan"), "x")]}),
    ("NaN", np.ones(2, np.float32), np.full(2, np.nan, np.float32)),
    ("truncated", torch.arange(6).view(3, 2), torch.arange(4).view(2, 2)),
    ("truncated", [1, 2], [1]),
    ("truncated", {"a": 1, "b": 2}, {"a": 1}),
    ("truncated", "abc", "ab"),
    ("an extra leading dimension", torch.ones(2), torch.ones(1, 2)),
    ("an extra leading dimension", torch.tensor(2.0), torch.tensor([2.0])),
    ("an extra leading dimension", [1, 2], [[1, 2]]),
    ("an extra leading dimension", [(np.ones(2), torch.ones(1))], [(np.ones((1, 2)), torch.ones(1, 1))]),
    ("float64 in place of float32", (torch.ones(2), 1), (torch.ones(2).double(), 1)),
    ("float64 in place of float32", [np.ones(2, np.float32)], [np.ones(2)]),
    ("float64 in place of float32", Pair(torch.ones(1), "w"), Pair(torch.ones(1).double(), "w")),
])
def test_spoils(name, value, want):
    got, changed = spoil(name, value)
    assert changed
    assert same(got, want), f"{got!r} in place of {want!r}"


@pytest.mark.parametrize(("name", "value"), [
    ("NaN", ["a", 1]), ("NaN", torch.arange(3)), ("NaN", float("nan")),
    ("truncated", torch.tensor(1.0)), ("truncated", []), ("truncated", 3.5),
    ("an extra leading dimension", 3.5), ("an extra leading dimension", "abc"),
    ("float64 in place of float32", torch.ones(2).double()), ("float64 in place of float32", 1.0),
    ("NaN", Counter("hello")), ("an extra leading dimension", Counter("hello")),
    ("float64 in place of float32", Counter("hello")),
    ("True", True), ("[]", []), ("None", None), ("[]", None),
])
def test_says_when_it_does_not_apply(name, value):
    got, changed = spoil(name, value)
    assert not changed
    assert same(got, value)


def test_the_first_argument_comes_back_by_position_or_by_name():
    wrapped = wrap(lambda x, y: x + y, BY_NAME["the first argument back"])
    assert wrapped.function(1, 2) == 1
    assert wrapped.function(x=5, y=2) == 5
    assert wrapped.changed == [2]
    assert spoil("the first argument back", 3) == (3, False)
    assert spoil("the first argument back", 3, 3) == (3, False)


@pytest.mark.parametrize(("a", "b", "equal"), [
    (1, 1.0, False), (True, 1, False), (torch.ones(2), torch.ones(2).double(), False), ([1], (1,), False),
    (torch.tensor([float("nan"), 1]), torch.tensor([float("nan"), 1]), True), ({"a": 1}, {"a": 1}, True),
    (torch.tensor([float("nan"), 0]), torch.tensor([0, float("nan")]), False), (object(), object(), False),
])
def test_same_is_strict(a, b, equal):
    assert same(a, b) is equal
