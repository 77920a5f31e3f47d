"""Tensors and arrays as (name of the dtype, shape, bytes), and back."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch

from autograder.grading._codec_format import DIMENSIONS, TORCH_DTYPES, TORCH_NAMES, BadData, numpy_dtype

Parts = tuple[str, list[int], Any]


def of_tensor(value: torch.Tensor, fits: Callable[[int], None]) -> Parts | None:
    """The parts of a tensor, in its own memory where that is contiguous; None if it has no plain numbers.

    fits: raises BadData where that many bytes are too many.
    """
    try:
        with torch._C.DisableTorchFunctionSubclass():
            tensor = torch.Tensor.detach(value)
            name, device = TORCH_NAMES.get(tensor.dtype), tensor.device.type
            if name is None or device == "meta" or tensor.is_quantized:
                return None
            shape = _dimensions(tensor.shape)
            fits(prod(shape) * tensor.element_size())
            if tensor.layout is not torch.strided:
                tensor = tensor.to_dense()
            if device != "cpu":
                tensor = tensor.cpu()
            return name, shape, torch.Tensor.numpy(bytes_of(tensor.resolve_conj().resolve_neg()))
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return None  # nothing in memory: a fake tensor, a nested one, a parameter whose shape is still open


def bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers of a tensor as uint8 (n,), in its own memory where that is contiguous."""
    flat = tensor.contiguous().reshape(-1)
    # One number is contiguous with any stride, and keeps it: view() would object to that.
    return flat.as_strided(flat.shape, (1,)).view(torch.uint8)


def of_array(value: np.ndarray, fits: Callable[[int], None]) -> Parts | None:
    """The same for an array; numbers come in the byte order of this machine, whatever theirs is."""
    value = np.ndarray.view(value, np.ndarray)
    name = value.dtype.newbyteorder("<").str
    if numpy_dtype(name) is None:
        return None
    shape = _dimensions(value.shape)
    fits(prod(shape) * value.dtype.itemsize)
    flat = np.ascontiguousarray(value, name).reshape(-1)
    return name, shape, flat.view(np.uint8) if flat.nbytes else b""


def to_tensor(name: Any, shape: Any, raw: memoryview) -> torch.Tensor:
    """A tensor in memory of its own, from parts that nothing is known about."""
    dtype = TORCH_DTYPES.get(name) if type(name) is str else None
    if dtype is None:
        raise BadData("a tensor came of a dtype that is not known")
    _check_size(shape, dtype.itemsize, raw)
    if dtype is torch.bool:
        check_bools(raw)
    if not raw:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)


def to_array(name: Any, shape: Any, raw: memoryview) -> np.ndarray:
    """The same for an array."""
    dtype = numpy_dtype(name) if type(name) is str else None
    if dtype is None:
        raise BadData("an array came of a dtype that is not known")
    _check_size(shape, dtype.itemsize, raw)
    made = np.empty(shape, dtype)
    if raw:
        if dtype.kind == "b":
            check_bools(raw)
        if dtype.kind == "U" and np.frombuffer(raw, "<u4").max() > 0x10FFFF:
            raise BadData("an array of texts came with a character that does not exist")
        made.reshape(-1).view(np.uint8)[:] = np.frombuffer(raw, np.uint8)
    return made


def check_bools(raw: memoryview) -> None:
    if len(raw) and np.frombuffer(raw, np.uint8).max() > 1:
        raise BadData("a bool came that is neither True nor False")


def _dimensions(shape: Any) -> list[int]:
    if len(shape) > DIMENSIONS:
        raise BadData(f"a tensor with {len(shape)} dimensions came back, which is more than {DIMENSIONS}")
    return list(shape)


def _check_size(shape: Any, itemsize: int, raw: memoryview) -> None:
    if type(shape) is not list or len(shape) > DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise BadData("a tensor came with a shape that is none")
    if prod(shape) * itemsize != len(raw):
        raise BadData(f"a tensor came with {len(raw):,} bytes, which is not what its shape takes")
