"""The writing end of the codec. It runs in the student's process, after whatever the student's code did there.

No method of a value is believed: each is read by the methods of the builtin that its type descends from, found
through the type itself, so that a str with an `__eq__` of its own arrives as the str that it is.
"""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, UserDict, UserList, UserString, defaultdict
from collections.abc import Callable
from itertools import chain
from math import isfinite

import numpy as np
import torch

from autograder.grading import _codec_arrays as arrays
from autograder.grading._codec_format import ANY_DTYPE, HEX_DIGITS, INT64, SHORT, SMALL, BadData, Limits

_MANY = 16  # items from which on it pays to look whether they are all of one kind
_SCALARS = {type(None), bool, int, float, str, bytes}
_DTYPE_NAMES = {dtype: name for name, dtype in ANY_DTYPE.items()}
_mro = type.__dict__["__mro__"].__get__  # whatever a metaclass says


class Opaque(Exception):
    """The value is of a known type, but its content is not plain: it goes as a handle."""


class Writer:
    """Turns one value into a tree for JSON, and the buffers that the tree counts."""

    def __init__(self, keep: Callable[[object], int], limits: Limits):
        self.buffers: list[memoryview] = []
        self._keep, self._limits = keep, limits
        self._nodes, self._size = limits.nodes, limits.size
        self._inside: set[int] = set()  # ids of the containers around the value

    def node(self, value, depth: int = 0):
        self._count(1)
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is float:
            return value if isfinite(value) else ["float", repr(value)]
        write = _WRITERS.get(kind)
        if write is None:
            write = next((_WRITERS[base] for base in _mro(kind) if base in _WRITERS), Writer._handle)
        try:
            return write(self, value, depth)
        except Opaque:
            return self._handle(value, depth)

    # Plain values

    def _int(self, value, depth):
        value = int.__int__(value)
        if value in INT64:
            return value
        if value.bit_length() > 4 * HEX_DIGITS:
            raise BadData(f"an int of {value.bit_length():,} bits came back, which is more than {4 * HEX_DIGITS:,}")
        return ["int", f"{value:x}"]

    def _float(self, value, depth):
        value = float.__float__(value)
        return value if isfinite(value) else ["float", repr(value)]

    def _complex(self, value, depth):
        parts = complex.real.__get__(value), complex.imag.__get__(value)
        return ["complex", *(self._float(part, depth) for part in parts)]

    def _str(self, value, depth):
        value = str.__str__(value)
        if len(value) <= SHORT and (value.isascii() or _is_unicode(value)):
            return value
        return ["str", self._buffer(value.encode("utf-8", "surrogatepass"))]

    def _bytes(self, value, depth):
        return ["bytes", self._data(bytes.__getitem__(value, slice(None)), SHORT)]

    def _bytearray(self, value, depth):
        return ["bytearray", self._data(bytes(bytearray.__getitem__(value, slice(None))), SHORT)]

    def _range(self, value, depth):
        return ["range", *(self._int(part, depth) for part in (value.start, value.stop, value.step))]

    def _slice(self, value, depth):
        return ["slice", *(self.node(part, self._deeper(depth)) for part in (value.start, value.stop, value.step))]

    # Containers

    def _list(self, value, depth):
        return self._sequence("list", value, list(list.__iter__(value)), depth)

    def _tuple(self, value, depth):
        return self._sequence("tuple", value, list(tuple.__iter__(value)), depth)

    def _set(self, value, depth):
        return self._sequence("set", value, list(set.__iter__(value)), depth)

    def _frozenset(self, value, depth):
        return self._sequence("frozenset", value, list(frozenset.__iter__(value)), depth)

    def _sequence(self, tag, value, items, depth):
        self._enter(value)
        packed = self._packed(items) if len(items) >= _MANY else None
        if packed is not None:
            made = [f"{tag}*", packed]
        else:
            deeper = self._deeper(depth)
            made = [tag, *(self.node(item, deeper) for item in items)]
        self._inside.discard(id(value))
        return made

    def _dict(self, value, depth):
        return self._mapping("dict", value, dict.items(value), depth)

    def _ordered_dict(self, value, depth):
        return self._mapping("OrderedDict", value, OrderedDict.items(value), depth)  # dict.items has another order

    def _counter(self, value, depth):
        return self._mapping("Counter", value, dict.items(value), depth)

    def _defaultdict(self, value, depth):
        return self._mapping("defaultdict", value, dict.items(value), depth)

    def _mapping(self, tag, value, pairs, depth):
        self._enter(value)
        deeper, pairs = self._deeper(depth), list(pairs)
        if len(pairs) < _MANY:
            made = [tag, *(self.node(part, deeper) for pair in pairs for part in pair)]
        else:
            made = [f"{tag}*", self._column([key for key, _ in pairs], deeper),
                    self._column([item for _, item in pairs], deeper)]
        self._inside.discard(id(value))
        return made

    def _wrapped(self, value, depth):
        """UserDict and its like, of which transformers' BatchEncoding is one, hold a builtin in `data`."""
        data = vars(value).get("data")
        if not isinstance(data, dict | list | str):
            raise Opaque
        self._enter(value)
        made = self.node(data, self._deeper(depth))
        self._inside.discard(id(value))
        return made

    # Columns: many values of one kind

    def _column(self, items, depth):
        packed = self._packed(items)
        return ["*", *(self.node(item, depth) for item in items)] if packed is None else packed

    def _packed(self, items):
        kinds = set(map(type, items))
        if len(kinds) != 1:
            return None
        kind = kinds.pop()
        if kind in _PACKERS:
            self._count(len(items))
            try:
                return _PACKERS[kind](self, items)
            except OverflowError:  # an int of more than 64 bits
                self._count(-len(items))
                return None
        if kind in (tuple, list):
            flat = list(chain.from_iterable(items))
            # Only scalars inside: lists in lists could hold themselves.
            inner = self._packed(flat) if set(map(type, flat)) <= _SCALARS else None
            if inner is not None:
                self._count(len(items))
                return [kind.__name__, self._lengths(items), inner]
        return None

    def _ints(self, items):
        return ["int", self._buffer(array("q", items))]

    def _floats(self, items):
        return ["float", self._buffer(array("d", items))]

    def _bools(self, items):
        return ["bool", self._buffer(bytes(items))]

    def _strings(self, items):
        return ["str", self._lengths(items), self._buffer("".join(items).encode("utf-8", "surrogatepass"))]

    def _byte_strings(self, items):
        return ["bytes", self._lengths(items), self._buffer(b"".join(items))]

    def _lengths(self, items):
        return self._buffer(array("q", map(len, items)))

    # Tensors and arrays

    def _tensor(self, value, depth):
        return self._filled("tensor", arrays.of_tensor(value, self._fits))

    def _array(self, value, depth):
        return self._filled("array", arrays.of_array(value, self._fits))

    def _filled(self, tag, parts):
        if parts is None:
            raise Opaque
        name, shape, data = parts
        return [tag, name, shape, self._data(data, SMALL)]

    def _scalar(self, value, depth):
        # Into an array and out again: np.generic knows how to be read, whatever a subclass of it says.
        array = np.ndarray((), np.generic.dtype.__get__(value), np.generic.tobytes(value))
        tag, name, _, data = self._filled("scalar", arrays.of_array(array, self._fits))
        return [tag, name, data]

    def _dtype(self, value, depth):
        return ["dtype", _DTYPE_NAMES[value]]

    def _device(self, value, depth):
        return ["device", value.type, value.index]

    # The rest

    def _handle(self, value, depth):
        return ["handle", self._keep(value), str(type(value).__name__)[:100]]

    def _enter(self, value):
        if id(value) in self._inside:
            raise BadData(f"the {type(value).__name__} that came back contains itself")
        self._inside.add(id(value))

    def _deeper(self, depth):
        if depth >= self._limits.depth:
            raise BadData(f"what came back is nested more than {self._limits.depth} deep")
        return depth + 1

    def _count(self, nodes):
        self._nodes -= nodes
        if self._nodes < 0:
            raise BadData(f"what came back holds more than {self._limits.nodes:,} values")

    def _fits(self, size):
        if size > self._size:
            raise BadData(f"what came back takes more than {self._limits.size >> 20} MB")

    def _data(self, data, short):
        view = memoryview(data)
        return view.hex() if view.nbytes <= short else self._buffer(view)

    def _buffer(self, data) -> int:
        view = memoryview(data).cast("B")
        self._fits(view.nbytes)
        self._size -= view.nbytes
        self.buffers.append(view)
        return len(self.buffers) - 1


def _is_unicode(text: str) -> bool:
    """No lone surrogates: JSON would join two of them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_PACKERS = {int: Writer._ints, float: Writer._floats, bool: Writer._bools, str: Writer._strings,
            bytes: Writer._byte_strings}
_WRITERS = {
    int: Writer._int, float: Writer._float, complex: Writer._complex, str: Writer._str, bytes: Writer._bytes,
    bytearray: Writer._bytearray, range: Writer._range, slice: Writer._slice, list: Writer._list,
    tuple: Writer._tuple, set: Writer._set, frozenset: Writer._frozenset, dict: Writer._dict,
    OrderedDict: Writer._ordered_dict, Counter: Writer._counter, defaultdict: Writer._defaultdict,
    UserDict: Writer._wrapped, UserList: Writer._wrapped, UserString: Writer._wrapped,
    torch.Tensor: Writer._tensor, np.ndarray: Writer._array, np.generic: Writer._scalar,
    torch.dtype: Writer._dtype, torch.device: Writer._device,
}  # fmt: skip
