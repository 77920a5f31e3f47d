"""What both ends of the codec agree on: limits, dtypes, and the one error.

The header is JSON. None, bool, an int of 64 bits, a finite float and a short str stand for themselves; everything
else is a list that begins with its tag:

    ["int", hex] ["float", "nan" | "inf" | "-inf"] ["complex", re, im] ["str", n] ["bytes", data] ["bytearray", data]
    ["range", start, stop, step] ["slice", start, stop, step] ["dtype", name] ["device", type, index]
    ["tensor", dtype, shape, data] ["array", dtype, shape, data] ["scalar", dtype, data] ["handle", number, type name]
    ["list", *items] ["dict", *keys and values in turn], and so on for the other kinds of both
    ["list*", column] ["dict*", column of keys, column of values]: many values of one kind, without a node for each

`n` is the number of a buffer, `data` is one too, or hex where it is short. A column is one of

    ["*", *items] ["int", n] ["float", n] ["bool", n] ["str", n of lengths, n] ["bytes", n of lengths, n]
    ["tuple", n of lengths, column] ["list", n of lengths, column]: all their items, one after the other
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass

import numpy as np
import torch


class BadData(Exception):
    """What came back from an answer cannot be taken; the message is a clause that says what came and why not."""


@dataclass(frozen=True)
class Limits:
    """depth of nested containers; nodes: values in all; size: bytes in all, header and buffers."""

    depth: int = 40
    nodes: int = 2_000_000
    size: int = 512 << 20


LIMITS = Limits()
SHORT = 256  # characters of a str or bytes that stand in the header itself
SMALL = 64  # bytes of a tensor that do
HEX_DIGITS = 100_000  # of an int; decimal digits would take quadratic time to read
DIMENSIONS = 64  # as many as numpy has
INT64 = range(-(2**63), 2**63)

SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
MAPPINGS: dict[str, type] = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter, "defaultdict": defaultdict}

_TORCH = """float64 float32 float16 bfloat16 complex128 complex64 complex32 bool uint8 int8 int16 int32 int64
            uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu"""
TORCH_DTYPES = {name: getattr(torch, name) for name in _TORCH.split() if hasattr(torch, name)}
TORCH_NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}
ANY_DTYPE = {str(one).removeprefix("torch."): one for one in vars(torch).values() if isinstance(one, torch.dtype)}

# Little-endian numbers, and text. No objects, records or dates.
_NUMPY = re.compile(r"\|b1|[|<][iu]1|<[iu][248]|<f[248]|<c(8|16)|<U[1-9]\d{0,6}|\|S[1-9]\d{0,6}")


def numpy_dtype(text: str) -> np.dtype | None:
    """The dtype of this name, or None where it is not one of those that may pass."""
    return np.dtype(text) if _NUMPY.fullmatch(text) else None
