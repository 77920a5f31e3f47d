"""What a test may do with what is not plain data, and the errors of an answer."""

import builtins

import pytest

from autograder.grading import proxies
from autograder.grading.proxies import Handle, StudentError, Tampered

ERRORS = [name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.fixture
def handle():
    return proxies._handle_class("Cache")(None, "cache")


@pytest.mark.parametrize("name", ERRORS)
def test_every_builtin_error_arrives_and_some_never_as_themselves(name):
    error = proxies._error({"kinds": [name, "Exception"], "said": "what it said", "frames": [(3, 7), (None, 1)]})
    assert isinstance(error, StudentError)
    assert (error.name, str(error), error.frames) == (name, "what it said", [(3, 7), (None, 1)])
    ends_tests = name in {"StopIteration", "StopAsyncIteration", "AssertionError"}
    assert isinstance(error, getattr(builtins, name)) is (not ends_tests and "Group" not in name)


def test_an_own_class_of_error_is_caught_as_its_builtin():
    error = proxies._error({"kinds": ["TooShort", "ValueError", "Exception"], "said": "", "frames": []})
    assert isinstance(error, ValueError)
    assert error.name == "TooShort"


@pytest.mark.parametrize("reply", [
    {}, {"kinds": "ValueError", "said": "", "frames": []}, {"kinds": [], "said": 3, "frames": []},
    {"kinds": [], "said": "", "frames": None}])
def test_an_error_that_is_none_is_tampering(reply):
    with pytest.raises(Tampered):
        proxies._error(reply)


@pytest.mark.parametrize("use", [
    lambda h: h == 1, lambda h: h != 1, lambda h: bool(h), lambda h: float(h), lambda h: h + 1, lambda h: h < 2,
    lambda h: 3 in h, lambda h: abs(h), lambda h: int(h), lambda h: [1][h], lambda h: h @ h, lambda h: -h])
def test_a_handle_cannot_pass_for_a_value(handle, use):
    with pytest.raises(TypeError, match="wanted plain data, got Cache"):
        use(handle)


def test_a_handle_can_be_shown_and_kept(handle):
    assert repr(handle) == "<cache of the answer>"
    assert {handle: 1}[handle] == 1
    assert type(handle).__name__ == "Cache"
    assert isinstance(handle, Handle)
