"""How two values differ, in one sentence that never gives the wanted value away unless told to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# rtol, atol by dtype: about ten times what reordering a sum of a few hundred terms costs in that dtype.
TOLERANCES = {
    torch.float64: (1e-7, 1e-8),
    torch.float32: (1.3e-5, 1e-5),
    torch.float16: (1e-2, 1e-3),
    torch.bfloat16: (3e-2, 1e-2),
}
PLAIN_FLOAT = (1e-5, 1e-6)
EXACT = (0.0, 0.0)


@dataclass(frozen=True)
class Rules:
    """How strict a comparison is: tolerances (None: by dtype), whether dtypes count, whether to say what is wanted."""

    rtol: float | None = None
    atol: float | None = None
    dtype: bool = True
    reveal: bool = False
    exact: bool = False

    def tolerance(self, default: tuple[float, float]) -> tuple[float, float]:
        if self.exact:
            return EXACT
        return (default[0] if self.rtol is None else self.rtol, default[1] if self.atol is None else self.atol)


def describe(value: Any) -> str:
    """What a value is, in a few words."""
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and dtype {_dtype_name(value.dtype)}"
    if isinstance(value, np.ndarray):
        return f"a numpy array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, bool | int | float | str | bytes | np.generic):
        text = repr(value.item() if isinstance(value, np.generic) else value)
        return f"the {type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"
    if isinstance(value, list | tuple | set | frozenset | Mapping):
        return f"a {type(value).__name__} of length {len(value)}"
    return f"a {type(value).__name__}"


def difference(got: Any, want: Any, rules: Rules, where: str = "") -> str | None:
    """The first difference as a sentence, or None where there is none."""
    at = f"at {where}: " if where else ""
    if isinstance(want, Tensor | np.ndarray):
        return _array_difference(got, want, rules, at)
    if isinstance(got, np.generic):
        got = got.item()
    if isinstance(want, np.generic):
        want = want.item()
    if not _same_kind(got, want):
        return f"{at}wanted {_kind(want)}, got {describe(got)}{_advice(got, want)}"
    if isinstance(want, Mapping):
        return _mapping_difference(got, want, rules, where)
    if isinstance(want, list | tuple):
        if len(got) != len(want):
            return f"{at}wanted {len(want)} entries, got {len(got)}"
        for index, (left, right) in enumerate(zip(got, want, strict=True)):
            found = difference(left, right, rules, f"{where}[{index}]")
            if found:
                return found
        return None
    if isinstance(want, float):
        rtol, atol = rules.tolerance(PLAIN_FLOAT)
        same = bool(np.isclose(_as_float(got), want, rtol=rtol, atol=atol, equal_nan=True))
    else:
        same = bool(got == want)
    return None if same else f"{at}got {describe(got)}, which is not right" + _shown(want, rules)


def _as_float(number: float) -> float:
    """Python's whole numbers may be larger than any that numpy knows."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _array_difference(got: Any, want: Tensor | np.ndarray, rules: Rules, at: str) -> str | None:
    kind = Tensor if isinstance(want, Tensor) else np.ndarray
    if not isinstance(got, kind):
        return f"{at}wanted {_kind(want)}, got {describe(got)}{_advice(got, want)}"
    if tuple(got.shape) != tuple(want.shape):
        return f"{at}wanted shape {tuple(want.shape)}, got {tuple(got.shape)}"
    if rules.dtype and got.dtype != want.dtype:
        return f"{at}wanted dtype {_dtype_name(want.dtype)}, got {_dtype_name(got.dtype)}"
    left, right = _tensor(got), _tensor(want)
    if left.is_floating_point() != right.is_floating_point() or left.is_complex() != right.is_complex():
        return f"{at}wanted dtype {_dtype_name(want.dtype)}, got {_dtype_name(got.dtype)}"
    if right.is_floating_point() or right.is_complex():
        default = max((TOLERANCES.get(t.dtype, PLAIN_FLOAT) for t in (left, right)), key=lambda pair: pair[0])
        rtol, atol = rules.tolerance(default)
        wide = torch.complex128 if right.is_complex() else torch.float64
        wrong = ~torch.isclose(left.to(wide), right.to(wide), rtol=rtol, atol=atol, equal_nan=True)
    else:
        wrong = left != right
    count = int(wrong.sum())
    if not count:
        return None
    first = tuple(int(i) for i in wrong.nonzero()[0])
    shown = left[first].item()
    what = f"{count} of {wrong.numel()} values are wrong; the first, at {list(first)}," if wrong.ndim else "the value"
    text = f"{at}{what} is {shown:.6g}" if isinstance(shown, float) else f"{at}{what} is {shown}"
    return text + (", which is not right" if wrong.ndim == 0 else "") + _shown(right[first].item(), rules)


def _mapping_difference(got: Mapping, want: Mapping, rules: Rules, where: str) -> str | None:
    at = f"at {where}: " if where else ""
    missing = [key for key in want if key not in got]
    extra = [key for key in got if key not in want]
    if missing or extra:
        text = f"{at}wanted {len(want)} keys, got {len(got)}: {len(missing)} missing, {len(extra)} too many"
        return text + (f" (such as {extra[0]!r})" if extra else "")
    for key in want:
        found = difference(got[key], want[key], rules, f"{where}[{key!r}]")
        if found:
            return found
    return None


def _same_kind(got: Any, want: Any) -> bool:
    if isinstance(want, Mapping):
        return isinstance(got, Mapping)
    for kind in (list, tuple, set, frozenset):
        if isinstance(want, kind):
            return isinstance(got, kind)
    if type(want) is float:  # an int is as good as a float, as in Python itself; a bool is not
        return type(got) in (int, float)
    # Exact types: a subclass may say of itself that it equals anything.
    return type(got) is type(want)


def _kind(want: Any) -> str:
    if isinstance(want, Tensor | np.ndarray):
        return describe(want)
    if want is None:
        return "None"
    name = "dict" if isinstance(want, Mapping) else type(want).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _advice(got: Any, want: Any) -> str:
    if got is None:
        return ": does every path of your function end in `return`?"
    if isinstance(got, Tensor) and got.ndim == 0 and isinstance(want, bool | int | float):
        return ": `.item()` makes a plain number of it"
    if isinstance(got, Tensor) and isinstance(want, list):
        return ": `.tolist()` makes a plain list of it"
    return ""


def _tensor(value: Tensor | np.ndarray) -> Tensor:
    return value.detach().cpu() if isinstance(value, Tensor) else torch.from_numpy(np.ascontiguousarray(value))


def _dtype_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _shown(want: Any, rules: Rules) -> str:
    return f"; wanted {want!r}" if rules.reveal else ""
