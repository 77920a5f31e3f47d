"""The reading end of the codec. It runs in the examiner, and takes nothing for granted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import torch

from autograder.grading import _codec_arrays as arrays
from autograder.grading._codec_format import (
    ANY_DTYPE,
    HEX_DIGITS,
    INT64,
    MAPPINGS,
    SEQUENCES,
    SHORT,
    BadData,
    Limits,
)

_HEX_INT = re.compile(r"-?[0-9a-f]+")
_HEX_DATA = re.compile(r"(?:[0-9a-f]{2})*")
_FLOATS = {"nan": nan, "inf": inf, "-inf": -inf}
_DEVICES = {"cpu", "cuda", "mps", "xpu", "meta"}
_LONGEST_NAME = 100
_FEW = 1000  # keys that may collide
_PLAIN = (str, bool, type(None))


class Reader:
    """Builds one value from a parsed header and its buffers."""

    def __init__(self, buffers: Sequence[bytes | memoryview], handle: Callable[[int, str], object], limits: Limits):
        self._buffers = [memoryview(buffer).cast("B") for buffer in buffers]
        self._used = bytearray(len(self._buffers))
        self._handle, self._limits, self._nodes = handle, limits, limits.nodes

    def whole(self, tree) -> Any:
        value = self._value(tree, 0)
        if not all(self._used):
            raise BadData("a buffer came that no value uses")
        return value

    def _value(self, node, depth: int):
        self._count(1)
        kind = type(node)
        if kind in _PLAIN:
            return node
        if kind is int and node in INT64:
            return node
        if kind is float and isfinite(node):
            return node
        if kind is not list or not node or type(node[0]) is not str:
            raise BadData("a value came that has no known form")
        tag, *parts = node
        if tag in SEQUENCES:
            return self._sequence(tag, self._values(parts, depth))
        if tag in MAPPINGS:
            parts = self._values(parts, depth)
            return self._mapping(tag, parts[::2], parts[1::2])
        read = _READERS.get(tag)
        if read is not None:
            return read(self, depth, *parts)
        kind = tag[:-1]
        if tag[-1:] == "*" and kind in SEQUENCES and len(parts) == 1:
            return self._sequence(kind, self._column(parts[0], depth + 1))
        if tag[-1:] == "*" and kind in MAPPINGS and len(parts) == 2:
            return self._mapping(kind, *(self._column(part, depth + 1) for part in parts))
        raise BadData("a value came with an unknown tag")

    # Containers

    def _values(self, nodes, depth):
        self._deep(depth + 1)
        return [self._value(node, depth + 1) for node in nodes]

    def _sequence(self, kind, items):
        if kind == "list":
            return items
        if kind == "tuple":
            return tuple(items)
        try:
            _check_hashes(items)
            made = SEQUENCES[kind](items)
        except BadData:
            raise
        except Exception as error:
            raise BadData(f"a {kind} came with an item that cannot be in one") from error
        if len(made) != len(items):
            raise BadData(f"a {kind} came that has an item twice")
        return made

    def _mapping(self, kind, keys, items):
        if len(keys) != len(items):
            raise BadData(f"a {kind} came with {len(keys)} keys and {len(items)} values")
        try:
            _check_hashes(keys)
            pairs = dict(zip(keys, items, strict=True))
        except BadData:
            raise
        except Exception as error:
            raise BadData(f"a {kind} came with a key that cannot be one") from error
        if len(pairs) != len(keys):
            raise BadData(f"a {kind} came that has a key twice")
        if kind == "dict":
            return pairs
        made = MAPPINGS[kind]()
        for key, item in pairs.items():
            made[key] = item
        return made

    def _column(self, node, depth):
        if type(node) is not list or not node or type(node[0]) is not str:
            raise BadData("a column came that has no known form")
        self._deep(depth)
        tag, *parts = node
        if tag == "*":
            return [self._value(part, depth) for part in parts]
        if tag in ("int", "float", "bool") and len(parts) == 1:
            return self._numbers(parts[0], {"int": "<i8", "float": "<f8", "bool": "|b1"}[tag])
        if tag not in ("str", "bytes", "tuple", "list") or len(parts) != 2:
            raise BadData("a column came with an unknown tag")
        lengths = self._numbers(parts[0], "<i8")
        if lengths and min(lengths) < 0:
            raise BadData("a column came with a negative length")
        if tag in ("tuple", "list"):
            whole = self._column(parts[1], depth + 1)
        else:
            raw = self._buffer(parts[1])
            whole = str(raw, "utf-8", "surrogatepass") if tag == "str" else bytes(raw)
        if sum(lengths) != len(whole):
            raise BadData(f"a column came with lengths that add up to {sum(lengths)} of {len(whole)}")
        pieces = (whole[start:end] for start, end in pairwise(accumulate(lengths, initial=0)))
        return list(map(tuple, pieces)) if tag == "tuple" else list(pieces)

    def _numbers(self, number, dtype):
        raw = self._buffer(number)
        self._count(len(raw) // np.dtype(dtype).itemsize)
        if dtype == "|b1":
            arrays.check_bools(raw)
        return np.frombuffer(raw, dtype).tolist()

    # Plain values

    def _int(self, depth, text):
        if type(text) is not str or len(text) > HEX_DIGITS + 1 or not _HEX_INT.fullmatch(text):
            raise BadData("an int came that is not written as one")
        return int(text, 16)

    def _float(self, depth, text):
        if type(text) is not str or text not in _FLOATS:
            raise BadData("a float came that is not written as one")
        return -_FLOATS["inf"] if text == "-inf" else float(text)  # a NaN of its own: as a key it is like no other

    def _complex(self, depth, *parts):
        real, imag = (self._value(part, depth) for part in parts)
        if type(real) is not float or type(imag) is not float:
            raise BadData("a complex number came without two floats")
        return complex(real, imag)

    def _str(self, depth, number):
        return str(self._buffer(number), "utf-8", "surrogatepass")

    def _bytes(self, depth, data):
        return bytes(self._data(data))

    def _bytearray(self, depth, data):
        return bytearray(self._data(data))

    def _range(self, depth, *parts):
        bounds = [self._value(part, depth) for part in parts]
        if len(bounds) != 3 or any(type(bound) is not int for bound in bounds) or bounds[2] == 0:
            raise BadData("a range came without three ints")
        return range(*bounds)

    def _slice(self, depth, *parts):
        return slice(*self._three(self._values(parts, depth)))

    def _three(self, parts):
        if len(parts) != 3:
            raise BadData("a slice came without three parts")
        return parts

    # Tensors and arrays

    def _tensor(self, depth, name, shape, data):
        return arrays.to_tensor(name, shape, self._data(data))

    def _array(self, depth, name, shape, data):
        return arrays.to_array(name, shape, self._data(data))

    def _scalar(self, depth, name, data):
        return arrays.to_array(name, [], self._data(data))[()]

    def _dtype(self, depth, name):
        if type(name) is not str or name not in ANY_DTYPE:
            raise BadData("a dtype came that is not known")
        return ANY_DTYPE[name]

    def _device(self, depth, kind, index):
        if kind not in _DEVICES or not (index is None or (type(index) is int and 0 <= index < 128)):
            raise BadData("a device came that is not known")
        return torch.device(kind) if index is None else torch.device(kind, index)

    # The rest

    def _opaque(self, depth, number, name):
        if type(number) is not int or number not in INT64 or number < 0:
            raise BadData("a handle came without a number")
        if type(name) is not str or len(name) > _LONGEST_NAME:
            raise BadData("a handle came without the name of a type")
        return self._handle(number, name)

    def _deep(self, depth):
        if depth > self._limits.depth + 2:  # a column of tuples is a level or two
            raise BadData(f"what came back is nested more than {self._limits.depth} deep")

    def _count(self, nodes):
        self._nodes -= nodes
        if self._nodes < 0:
            raise BadData(f"what came back holds more than {self._limits.nodes:,} values")

    def _data(self, data):
        if type(data) is not str:
            return self._buffer(data)
        if len(data) > 2 * SHORT or not _HEX_DATA.fullmatch(data):
            raise BadData("bytes came that are not written as such")
        return memoryview(bytes.fromhex(data))

    def _buffer(self, number) -> memoryview:
        if type(number) is not int or not 0 <= number < len(self._buffers):
            raise BadData("a value came whose buffer is missing")
        if self._used[number]:
            raise BadData("a buffer came that two values use")
        self._used[number] = 1
        return self._buffers[number]


def _check_hashes(keys: list) -> None:
    """Thousands of keys made to share a hash would take quadratic time."""
    if len(keys) > _FEW and 8 * len(set(map(hash, keys))) < len(keys):
        raise BadData("a dict or set came whose keys have nearly all the same hash")


_READERS = {
    "int": Reader._int, "float": Reader._float, "complex": Reader._complex, "str": Reader._str,
    "bytes": Reader._bytes, "bytearray": Reader._bytearray, "range": Reader._range, "slice": Reader._slice,
    "tensor": Reader._tensor, "array": Reader._array, "scalar": Reader._scalar, "dtype": Reader._dtype,
    "device": Reader._device, "handle": Reader._opaque,
}  # fmt: skip
