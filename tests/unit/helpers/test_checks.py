"""The checks of the lessons: what they accept, what they refuse, what they say and what they keep to themselves."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import checks as check
from helpers.checks import CheckFailed

X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@pytest.mark.parametrize("got, want", [
    (X.clone(), X),
    (X * (1 + 1e-6), X),
    (torch.nn.Parameter(X.clone()), X),
    (X.clone().requires_grad_(), X),
    (X.numpy(), X.numpy()),
    (torch.tensor([float("nan"), float("inf")]), torch.tensor([float("nan"), float("inf")])),
    (0.5, 0.5), (np.float64(0.5), 0.5), (1, 1.0), (np.int64(3), 3), (None, None),
    ([(X, X[0])], [(X, X[0])]),
    ({"a": 1.0, "b": [2]}, {"b": [2], "a": 1.0}),
])
def test_close_accepts_what_is_right(got, want):
    check.close(got, want)


@pytest.mark.parametrize("got, want, says", [
    (None, X, "return"),
    (True, 1.0, "bool"),
    (torch.empty(0), X, "shape"),
    (X[:1], X, "shape (2, 3), got (1, 3)"),
    (X[None], X, "shape"),
    (X.double(), X, "float64"),
    (X.int(), X, "int32"),
    (X * float("nan"), X, "nan"),
    (X.tolist(), X, "list"),
    (X.numpy(), X, "numpy"),
    (torch.tensor(0.5), 0.5, ".item()"),
    (X, X.tolist(), ".tolist()"),
    ((1, 2), [1, 2], "tuple"),
    ([1], [1, 2], "2 entries, got 1"),
    ({"a": 1}, {"a": 1, "b": 2}, "1 missing"),
    ([(X, X[0])], [(X, X[1])], "[0][1]"),
    (1.0, 1, "float"),
    (float("nan"), 1.0, "nan"),
    ("a", b"a", "str"),
])
def test_close_refuses_and_says_why(got, want, says):
    with pytest.raises(CheckFailed, match="(?s)" + says.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[")):
        check.close(got, want)


def test_an_object_that_equals_everything_is_refused():
    class Same(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    for check_it in (check.close, check.equal):
        with pytest.raises(CheckFailed):
            check_it(Same(1), 7)


def test_tolerances_are_two_sided_and_follow_the_dtype():
    for sign in (1, -1):
        with pytest.raises(CheckFailed):
            check.close(X + sign * 1e-3, X)
        check.close(X + sign * 1e-3, X, atol=1e-2)
        check.close((X * (1 + sign * 0.005)).bfloat16(), X.bfloat16())
    with pytest.raises(CheckFailed):
        check.equal(X + 1e-6, X)


def test_float64_may_stand_for_float32_only_where_the_test_says_so():
    check.close(X.double(), X, dtype=False)


def test_the_misconception_is_named():
    mistakes = {"you forgot the factor": X, "you squared": lambda: X**2}
    with pytest.raises(CheckFailed, match="you forgot the factor"):
        check.close(X, 2 * X, mistakes=mistakes, hint="something else")
    with pytest.raises(CheckFailed, match="you squared"):
        check.close(X.double() ** 2, 2 * X, mistakes=mistakes)
    with pytest.raises(CheckFailed, match="something else"):
        check.close(X - 7, 2 * X, mistakes=mistakes, hint="something else")


@given(st.floats(min_value=1000, max_value=9999, allow_nan=False).map(lambda x: round(x, 3)))
def test_the_wanted_value_stays_secret_unless_revealed(secret):
    for want in (secret, torch.tensor([secret], dtype=torch.float64), [secret], {"k": secret}, str(secret)):
        wrong = {float: 0.0, torch.Tensor: torch.zeros(1, dtype=torch.float64), list: [0.0], dict: {"k": 0.0},
                 str: "0"}[type(want)]
        with pytest.raises(CheckFailed) as failure:
            check.close(wrong, want)
        assert str(secret) not in str(failure.value) and str(secret)[:6] not in str(failure.value)
        with pytest.raises(CheckFailed, match=str(secret)[:4]):
            check.close(wrong, want, reveal=True)


def test_shape_takes_any_size_where_none_stands():
    check.shape(X, (2, None))
    check.shape(X.numpy(), (None, 3))
    for got, want in [(X, (3, 2)), (X, (2,)), ([1, 2], (2,)), (None, (2,))]:
        with pytest.raises(CheckFailed):
            check.shape(got, want)


def test_that_wants_a_real_bool():
    check.that(True, "fine")
    with pytest.raises(CheckFailed, match="mend this"):
        check.that(False, "mend this")
    with pytest.raises(TypeError, match="bool"):
        check.that(torch.tensor(True), "a tensor is not a bool")


def test_raises():
    assert isinstance(check.raises(KeyError, {}.__getitem__, "x"), KeyError)
    with pytest.raises(CheckFailed, match="nothing was raised"):
        check.raises(KeyError, {"x": 1}.get, "x")
    with pytest.raises(CheckFailed, match="wanted KeyError, got IndexError"):
        check.raises(KeyError, [].__getitem__, 0)
    with pytest.raises(CheckFailed, match="another message"):
        check.raises(KeyError, {}.__getitem__, "x", match="no such token")


def test_the_untouched_stub_does_not_pass_for_a_runtime_error():
    def stub():
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        check.raises(RuntimeError, stub)


def test_beside_copies_what_goes_in_and_keeps_shared_things_shared():
    def step(params):
        params[0].add_(1)

    mine = [X.clone()]
    after = check.beside(lambda f, p: (f(p), p)[1], step, mine)
    assert torch.equal(mine[0], X)
    assert torch.equal(after[0], X + 1)
    assert check.beside(lambda a, b: a is b, mine, mine) is True


def test_beside_returns_only_plain_data():
    assert check.beside(lambda: (np.float32(1), X.shape, {"a": [1]})) == (1.0, (2, 3), {"a": [1]})
    assert not check.beside(lambda p: (p * 2).sum(), X.clone().requires_grad_()).requires_grad
    with pytest.raises(CheckFailed, match="plain data"):
        check.beside(lambda: object())


def test_beside_lets_gradients_be_taken():
    grad = check.beside(lambda f, x: torch.autograd.grad(f(x).sum(), x)[0], torch.sin, X.clone().requires_grad_())
    check.close(grad, torch.cos(X))


def test_whole_numbers_of_any_size_are_numbers():
    check.close(2**70, float(2**70))
    with pytest.raises(CheckFailed, match="not right"):
        check.close(2**70, 1e21)
    with pytest.raises(CheckFailed, match="not right"):
        check.close(10**400, 1e21)
