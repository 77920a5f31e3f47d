"""How arguments go from the examiner to an answer: cloudpickle, with names for what both sides have.

The model, the tokenizer and large data are named, not sent. So are the weights of a shared model, and views of them.
Answers and opaque objects that a test holds only as proxies are named by their key. Functions and classes of a
lesson or a test go by value, with the globals that they use; a class that both sides have goes by name, so that
isinstance works on the other side. This direction is trusted: never call `loads` in the examiner.
"""

from __future__ import annotations

import functools
import importlib
import io
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import Tensor

from autograder.grading._codec_arrays import bytes_of
from autograder.grading._shared import LESSON, Index, find, view
from autograder.grading._twins import Twins, receive

__all__ = ["CannotHandOver", "Shared", "loads"]

Answer = Callable[[object], str | int | None]
_PLAIN = {int, float, bool, complex, type(None), bytes}  # never shared, and many: not worth a look


class CannotHandOver(TypeError):
    """An argument of a test cannot be sent to the answer; the author of the test has to change it."""


class Shared:
    """What both sides have, as it was when this was made. It holds on to all of it."""

    def __init__(self, namespace: Mapping[str, object]):
        self._index, self._twins = Index(namespace), Twins()

    def dumps(self, value: object, answer: Answer) -> bytes:
        """`value` for `loads` on the student's side.

        answer: the name (str) of a student's function or value behind a proxy, the number (int) of an opaque
        handle, None for anything else.
        Raises CannotHandOver where something inside cannot be pickled. It names the argument if value is
        (args, kwargs) or (function, args, kwargs).
        """
        went = False
        try:
            data = self._pickled(value, answer)
            went = True
            return data
        except Exception as error:
            raise CannotHandOver(f"{self._culprit(value, answer)} cannot be handed to an answer: {error}") from error
        finally:
            self._twins.delivered(went)

    def _pickled(self, value: object, answer: Answer) -> bytes:
        file = io.BytesIO()
        module = sys.modules.get(LESSON)
        if module is not None and LESSON not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)  # else cloudpickle would name what is in it
        _Pickler(file, self._index, self._twins, answer).dump(value)
        return file.getvalue()

    def _culprit(self, value: object, answer: Answer) -> str:
        """Which part of `value` fails to pickle, in words."""
        named = [("the value", value)]
        if type(value) is tuple and [type(part) for part in value[-2:]] == [tuple, dict]:
            named = [("the function", part) for part in value[:-2]]
            named += [(f"argument {place}", part) for place, part in enumerate(value[-2], 1)]
            named += [(f"argument `{name}`", part) for name, part in value[-1].items()]
        for name, part in named:
            if self._fails(part, answer):
                return name + self._inside(part, answer)
        return "the call"

    def _inside(self, value: object, answer: Answer, depth: int = 3) -> str:
        pairs = value.items() if type(value) is dict else enumerate(value) if type(value) in (list, tuple) else ()
        for key, part in pairs:
            if depth and self._fails(part, answer):
                return f"[{key!r}]" + self._inside(part, answer, depth - 1)
        return f", a {type(value).__name__},"

    def _fails(self, value: object, answer: Answer) -> bool:
        try:
            self._pickled(value, answer)
        except Exception:
            return True
        return False


class _Pickler(cloudpickle.Pickler):
    def __init__(self, file, index: Index, twins: Twins, answer: Answer):
        super().__init__(file, protocol=5)
        self._index, self._twins, self._answer = index, twins, answer

    def persistent_id(self, value):
        if type(value) in _PLAIN:
            return None
        place = self._index.place(value)
        if place is not None:
            return "shared", *place
        if type(value) in (str, list, dict, tuple):
            return None
        key = self._answer(value)
        if key is not None:
            return "answer", key
        twin = self._twins.send(value)
        return None if twin is None else ("twin", *twin)

    def reducer_override(self, value):
        if type(value) in (Tensor, torch.nn.Parameter):
            made = self._reduce_tensor(value) if type(value) is Tensor else value.__reduce_ex__(5)
            if made is not NotImplemented and value.is_leaf and value.grad is not None:  # torch leaves it out
                made = (*made[:2], value.grad, None, None, _set_grad)
            return made
        if isinstance(value, functools._lru_cache_wrapper) and value.__module__ == LESSON:
            return _cached, (value.__wrapped__, value.cache_parameters())
        return super().reducer_override(value)

    def _dynamic_function_reduce(self, function):
        """A function made inside a library, such as a hook that transformers leaves on a model, uses its module.

        cloudpickle would send copies of the module's globals, which can be locks or context variables.
        """
        make, args, (state, slots), *rest = super()._dynamic_function_reduce(function)
        module = sys.modules.get(function.__module__)
        if module is not None and module.__name__ not in (LESSON, "__main__") and function.__globals__ is vars(module):
            args, slots = (args[0], _Globals(module.__name__), *args[2:]), {**slots, "__globals__": {}}
        return make, args, (state, slots), *rest

    def _reduce_tensor(self, tensor: Tensor):
        base = self._index.base(tensor) if tensor.layout is torch.strided else None
        if base is not None:
            grad = "none" if not tensor.requires_grad else "leaf" if tensor.is_leaf else "base"
            offset = tensor.storage_offset() - base.storage_offset()
            return view, (base, tuple(tensor.shape), tensor.stride(), offset, grad)
        if tensor.device.type != "cpu" or tensor.layout is not torch.strided or tensor.is_quantized:
            return NotImplemented
        shape, stride, given = tuple(tensor.shape), tensor.stride(), tensor.requires_grad
        # Only the elements that the tensor shows, never the whole storage: what is wanted may lie beside them.
        tensor = tensor.detach().resolve_conj().resolve_neg()
        kept = tensor[tuple(slice(0, 1) if step == 0 else slice(None) for step in stride)]
        data = bytes_of(kept).numpy()
        return _tensor, (pickle.PickleBuffer(data), tensor.dtype, shape, stride, tuple(kept.shape), given)


class _Globals:
    """Stands for the globals of a module that can be imported on the other side."""

    def __init__(self, module: str):
        self._module = module

    def __reduce__(self):
        return _globals_of, (self._module,)


def _globals_of(module: str) -> dict[str, Any]:
    return vars(importlib.import_module(module))


def _tensor(data: Any, dtype: torch.dtype, shape: tuple[int, ...], stride: tuple[int, ...], kept: tuple[int, ...],
            requires_grad: bool) -> Tensor:
    """A tensor with the strides of the one that was sent, as far as these do not make elements overlap."""
    raw = torch.empty(memoryview(data).nbytes, dtype=torch.uint8)
    raw.numpy()[:] = np.frombuffer(data, np.uint8)
    made = raw.view(dtype).reshape(kept)
    end = 1
    for step, size in sorted((step, size) for step, size in zip(stride, kept, strict=True) if size > 1):
        if step < end:
            break  # windows that overlap
        end = step * (size - 1) + end
    else:
        if made.numel() and made.stride() != stride and end <= 8 * made.numel() + 1024:
            made = torch.zeros(end, dtype=dtype).as_strided(kept, stride).copy_(made)
    made = made.expand(shape)
    return made.requires_grad_() if requires_grad else made


def _set_grad(tensor: Tensor, grad: Tensor) -> None:
    tensor.grad = grad


def _cached(function: Callable, parameters: dict) -> Callable:
    return functools.lru_cache(**parameters)(function)


def loads(data: bytes, namespace: Mapping[str, object], answer: Callable[[str | int], object], twins: dict) -> object:
    """What `Shared.dumps` sent.

    namespace: the lesson's globals on this side. answer: name or number -> the real object.
    twins: the generators that came before, by number; the same dict for every call of one process.
    """
    return _Unpickler(io.BytesIO(data), namespace, answer, twins).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, namespace, answer, twins):
        super().__init__(file)
        self._namespace, self._answer, self._twins = namespace, answer, twins

    def persistent_load(self, key):
        kind, *rest = key
        if kind == "shared":
            return find(self._namespace, *rest)
        if kind == "answer":
            return self._answer(*rest)
        return receive(tuple(rest), self._twins)
