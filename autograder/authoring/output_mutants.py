"""Output mutants: the reference solution, with what it returns spoilt. No test may let one pass.

A mutant that never changed a value while the test ran (NaN for a list of strings) does not apply: it is skipped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class OutputMutant:
    """One way of spoiling a result: `spoil(value, args)` gives the spoilt value, or the same one."""

    description: str
    spoil: Callable[[Any, tuple], Any]


@dataclass
class Wrapped:
    """A function whose results are spoilt, and how many of them the spoiling changed."""

    function: Callable
    changed: list[int] = field(default_factory=lambda: [0])


def wrap(function: Callable, mutant: OutputMutant) -> Wrapped:
    """`function` with its results spoilt by `mutant`. A result of None (a procedure's) stays as it is."""
    changed = [0]

    @functools.wraps(function)
    def spoilt(*args, **kwargs):
        value = function(*args, **kwargs)
        if value is None:
            return None
        worse = mutant.spoil(value, args or tuple(kwargs.values()))
        changed[0] += not same(worse, value)
        return worse

    return Wrapped(spoilt, changed)


def same(a: Any, b: Any) -> bool:
    """Equal in type, shape, dtype and every element; NaN equals NaN."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num()) \
            and torch.equal(a.isnan(), b.isnan())
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, float):
        return a == b or (a != a and b != b)
    return isinstance(a, str | int | bool | bytes | set) and a == b


def _in_leaves(change: Callable[[Any], Any]) -> Callable[[Any, tuple], Any]:
    # The same change in every tensor, array and number of nested lists, tuples and dicts.
    def spoil(value, args=()):
        if isinstance(value, dict):
            parts = {key: spoil(one) for key, one in value.items()}
            # A Counter in which nothing changed stays one: an equal dict is no mutant of it.
            return value if all(parts[key] is value[key] for key in value) else parts
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(spoil, value))
        if isinstance(value, list | tuple):
            return type(value)(map(spoil, value))
        return change(value)

    return spoil


def _nan(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.full_like(value, float("nan")) if value.is_floating_point() else value
    if isinstance(value, np.ndarray):
        return np.full_like(value, np.nan) if np.issubdtype(value.dtype, np.floating) else value
    return type(value)("nan") if isinstance(value, float | np.floating) else value


def _float64(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.double() if value.dtype == torch.float32 else value
    if isinstance(value, np.ndarray):
        return value.astype(np.float64) if value.dtype == np.float32 else value
    return value


def _leading(value: Any, args: tuple = ()) -> Any:
    if isinstance(value, list) and not _has_arrays(value):
        return [value]
    return _in_leaves(lambda leaf: leaf[None] if isinstance(leaf, Tensor | np.ndarray) else leaf)(value)


def _has_arrays(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return any(_has_arrays(one) for one in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, Tensor | np.ndarray)


def _truncated(value: Any, args: tuple = ()) -> Any:
    if isinstance(value, Tensor | np.ndarray):
        return value[:-1] if value.ndim else value
    if isinstance(value, dict):
        return dict(list(value.items())[:-1])
    return value[:-1] if isinstance(value, list | tuple | str | bytes) else value


OUTPUT_MUTANTS = [
    OutputMutant("None", lambda value, args: None),
    OutputMutant("[]", lambda value, args: []),
    OutputMutant("an empty tensor", lambda value, args: torch.empty(0)),
    OutputMutant("True", lambda value, args: True),
    OutputMutant("the first argument back", lambda value, args: args[0] if args else value),
    OutputMutant("NaN", _in_leaves(_nan)),
    OutputMutant("truncated", _truncated),
    OutputMutant("an extra leading dimension", _leading),
    OutputMutant("float64 in place of float32", _in_leaves(_float64)),
]
