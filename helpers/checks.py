"""What the test cells of a lesson are written with: `from helpers import checks as check`.

Every check is two-sided, looks at type, shape and dtype before values, and fails with a sentence that says what
came and, where it can tell, which misconception gives just that. A message shows the wanted value only where a
test says `reveal=True`, since hidden tests use the same checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers._compare import Rules, describe, difference

__all__ = ["CheckFailed", "beside", "close", "equal", "raises", "shape", "that"]


class CheckFailed(AssertionError):
    """An answer is not right; the message is written for the student."""


def shape(got: Any, want: tuple[int | None, ...], hint: str = "") -> None:
    """`got` is a tensor or array of this shape; None in `want` stands for any size."""
    if not isinstance(got, Tensor | np.ndarray):
        _fail(f"wanted a tensor of shape {tuple(want)}, got {describe(got)}", hint=hint)
    fits = len(got.shape) == len(want) and all(w is None or g == w for g, w in zip(got.shape, want, strict=True))
    if not fits:
        _fail(f"wanted shape {tuple(want)}, got {tuple(got.shape)}", hint=hint)


def close(got: Any, want: Any, *, mistakes: Mapping[str, Any] | None = None, hint: str = "",
          rtol: float | None = None, atol: float | None = None, dtype: bool = True, reveal: bool = False) -> None:
    """`got` equals `want` up to a tolerance: tensors, arrays, numbers, and lists, tuples and dicts of them.

    mistakes: sentence -> what that misconception would give, or a function without arguments that computes it.
    rtol, atol: |got - want| <= atol + rtol * |want|; without them they follow the dtype of `want`.
    dtype=False lets float64 stand for float32. NaN and infinities must be in the same places.
    """
    _compare(got, want, Rules(rtol, atol, dtype, reveal), mistakes, hint)


def equal(got: Any, want: Any, *, mistakes: Mapping[str, Any] | None = None, hint: str = "",
          reveal: bool = False) -> None:
    """`got` is exactly `want`: same type, shape, dtype and values. Meant for ids, masks, strings and counts."""
    _compare(got, want, Rules(reveal=reveal, exact=True), mistakes, hint)


def that(condition: bool, sentence: str) -> None:
    """`condition` is True; `sentence` tells the student what to mend where it is False."""
    if isinstance(condition, np.bool_):
        condition = bool(condition)
    if not isinstance(condition, bool):
        raise TypeError(f"check.that wants a bool, got {describe(condition)}: write the comparison out.")
    if not condition:
        _fail(sentence)


def raises(exception: type[BaseException], function: Callable, *args: Any, match: str | None = None,
           hint: str = "", **kwargs: Any) -> BaseException:
    """`function(*args, **kwargs)` raises `exception`, with `match` in its message where given; returns it."""
    try:
        got = function(*args, **kwargs)
    except NotImplementedError as error:
        # The untouched stub raises this, and it is a RuntimeError too: it must not pass for the wanted error.
        if exception is NotImplementedError:
            return error
        raise
    except exception as error:
        if match is not None and match.lower() not in str(error).lower():
            _fail(f"{type(error).__name__} came with another message than wanted: {error}", hint=hint)
        return error
    except Exception as error:
        found = f"wanted {exception.__name__}, got {type(error).__name__}: {error}"
        raise CheckFailed(_sentence(found, hint)) from error
    return _fail(f"wanted {exception.__name__}, but nothing was raised and {describe(got)} came back", hint=hint)


def beside(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Run `function` next to the answer and bring back plain data, to see a side effect or to take a gradient.

    `function` gets copies of tensors, arrays and containers (shared ones stay shared), and models, tokenizers,
    generators and answers as they are. It returns tensors, arrays, numbers, strings and containers of them.
    """
    if _elsewhere is not None:
        return _elsewhere(function, args, kwargs)
    memo: dict[int, Any] = {}
    copies = [_copy(value, memo) for value in args]
    named = {name: _copy(value, memo) for name, value in kwargs.items()}
    return _plain(function(*copies, **named))


_elsewhere: Callable[[Callable, tuple, dict], Any] | None = None


def run_beside_with(runner: Callable[[Callable, tuple, dict], Any] | None) -> None:
    """Let `runner(function, args, kwargs)` do what `beside` does: when a class is graded, answers are elsewhere."""
    global _elsewhere
    _elsewhere = runner


def _compare(got: Any, want: Any, rules: Rules, mistakes: Mapping[str, Any] | None, hint: str) -> None:
    found = difference(got, want, rules)
    if found is None:
        return
    # A misconception is told by its values: an answer that has it in another float width has it all the same.
    loose = Rules(rules.rtol, rules.atol, dtype=False, exact=rules.exact)
    for sentence, wrong in (mistakes or {}).items():
        value = wrong() if callable(wrong) and not isinstance(wrong, Tensor) else wrong
        if difference(got, value, loose) is None:
            _fail(found, hint=sentence)
    _fail(found, hint=hint)


def _fail(found: str, hint: str = "") -> Any:
    raise CheckFailed(_sentence(found, hint))


def _sentence(found: str, hint: str) -> str:
    return f"{hint} ({found})" if hint else found


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, Tensor) and not isinstance(value, torch.nn.Parameter):
        new: Any = value.detach().clone().requires_grad_(value.requires_grad)
    elif isinstance(value, np.ndarray):
        new = value.copy()
    elif type(value) in (list, tuple, set):
        new = type(value)(_copy(item, memo) for item in value)
    elif type(value) is dict:
        new = {key: _copy(item, memo) for key, item in value.items()}
    else:
        return value
    memo[id(value)] = new
    return new


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(_plain(item) for item in value)
    raise CheckFailed(f"wanted plain data (tensors, numbers, strings, lists, tuples, dicts), got {describe(value)}")
