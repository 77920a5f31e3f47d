"""What the examiner and the student's side both hold, and how one names it to the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LARGE = 100_000  # bytes from which on a value is named, not sent
LESSON = "__lesson__"  # __name__ of the lesson's and the tests' globals

# Steps from a name to an object: ("attribute", "model.layers.3") or ("item", key).
Steps = tuple[tuple[str, Any], ...]


class Unknown(LookupError):
    """The other side named something that is not here."""


class Index:
    """Finds what has a name on both sides: by identity, and for views of shared tensors by their memory.

    Tensors, arrays, lists and dicts must still look as they did when the index was made, as far as a cheap look can
    tell. A module goes by name whatever has become of its weights: no test changes a shared model.
    """

    def __init__(self, namespace: Mapping[str, object]):
        self._found: dict[int, tuple[object, str, Steps, Any]] = {}
        self._memory: dict[tuple[torch.device, int], list[tuple[Tensor, int]]] = {}
        for name, value in namespace.items():
            if not name.startswith("__"):
                self._add_value(name, (), value)

    def place(self, value: object) -> tuple[str, Steps] | None:
        """(name, steps) of an object that is shared and has not changed."""
        found = self._found.get(id(value))
        if found is None or found[3] != _look(value):
            return None
        return found[1:3]

    def base(self, tensor: Tensor) -> Tensor | None:
        """The shared tensor of which this one is a view, if nothing has been written to it since."""
        if tensor.is_conj() or tensor.is_neg() or tensor.is_inference():
            return None
        memory, (first, last) = _memory(tensor), _extent(tensor)
        for base, version in self._memory.get(memory, ()):
            start, end = _extent(base)
            unchanged = base._version == version and tensor._version in (version, 0)  # `.data` counts from 0
            if unchanged and _memory(base) == memory and base.dtype == tensor.dtype and start <= first <= last <= end:
                return base
        return None

    def _add_value(self, name: str, steps: Steps, value: object) -> None:
        if isinstance(value, type):
            if value.__module__ in (LESSON, "__main__"):
                self._add(name, steps, value)
        elif isinstance(value, nn.Module):
            self._add_module(name, steps, value)
        elif _is_tokenizer(value) or _is_dataset(value):
            self._add(name, steps, value)
        elif isinstance(value, Tensor):
            if value.nbytes > LARGE:
                self._add_tensor(name, steps, value)
        elif type(value) in (list, tuple, dict, str, np.ndarray):
            if _size(value) > LARGE:
                self._add(name, steps, value)
            if type(value) is not str and not steps:
                for key, item in _items(value):
                    if isinstance(item, nn.Module | Tensor | str) or _is_tokenizer(item) or _is_dataset(item):
                        self._add_value(name, (("item", key),), item)

    def _add_module(self, name: str, steps: Steps, module: nn.Module) -> None:
        for path, part in module.named_modules():
            self._add(name, (*steps, ("attribute", path)) if path else steps, part)
        tensors = [*module.named_parameters(), *module.named_buffers()]
        for path, tensor in tensors:
            self._add_tensor(name, (*steps, ("attribute", path)), tensor)

    def _add_tensor(self, name: str, steps: Steps, tensor: Tensor) -> None:
        self._add(name, steps, tensor)
        if tensor.layout is torch.strided and tensor.numel() and _memory(tensor)[1] and not tensor.is_inference():
            self._memory.setdefault(_memory(tensor), []).append((tensor, tensor._version))

    def _add(self, name: str, steps: Steps, value: object) -> None:
        self._found.setdefault(id(value), (value, name, steps, _look(value)))


def find(namespace: Mapping[str, object], name: str, steps: Steps) -> object:
    """What `Index.place` gave a name to, on the other side."""
    try:
        value = namespace[name]
        for kind, key in steps:
            if kind == "item":
                value = value[key]
            else:
                for part in key.split("."):
                    value = getattr(value, part)
    except (LookupError, AttributeError, TypeError) as error:
        path = "".join(f".{key}" if kind == "attribute" else f"[{key!r}]" for kind, key in steps)
        raise Unknown(f"`{name}{path}` is not on the answers' side") from error
    return value


def view(base: Tensor, size: tuple[int, ...], stride: tuple[int, ...], offset: int, grad: str) -> Tensor:
    """A view of `base`, `offset` elements behind its start; grad: "none", "leaf" or "base" (through the base)."""
    with torch.enable_grad():
        made = torch.as_strided(base if grad == "base" else base.detach(), size, stride, base.storage_offset() + offset)
        return made if grad == "none" or made.requires_grad else made.requires_grad_()


def _memory(tensor: Tensor) -> tuple[torch.device, int]:
    if tensor.layout is not torch.strided or tensor.device.type == "meta":
        return tensor.device, 0
    return tensor.device, tensor.untyped_storage().data_ptr()


def _extent(tensor: Tensor) -> tuple[int, int]:
    """Of the storage, in elements: first and last that the tensor can reach."""
    first = tensor.storage_offset()
    return first, first + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True) if n)


def _look(value: object) -> Any:
    """Something that changes when the value does; cheap, so it only samples what is inside."""
    if isinstance(value, Tensor):
        return _memory(value), None if value.is_inference() else value._version
    if type(value) is np.ndarray:
        flat = value.reshape(-1)[:: max(1, value.size // 256)]
        return value.shape, value.dtype, flat.tobytes() if value.dtype != object else None
    if type(value) in (list, dict):
        return len(value), [id(item) for _, item in zip(range(64), _values(value), strict=False)]
    return None


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if type(value) is dict else enumerate(value) if type(value) in (list, tuple) else ()
    for (key, item), _ in zip(pairs, range(1000), strict=False):
        if type(key) in (str, int):
            yield key, item


def _values(value: Any) -> Any:
    return value.values() if type(value) is dict else value


def _size(value: Any, depth: int = 2) -> float:
    """About how many bytes a value takes, from its first hundred items."""
    if isinstance(value, Tensor | np.ndarray):
        return value.nbytes
    size = float(sys.getsizeof(value))
    if depth and type(value) in (list, tuple, dict) and value:
        sample = [_size(item, depth - 1) for item, _ in zip(_values(value), range(100), strict=False)]
        size += sum(sample) / len(sample) * len(value)
    return size


def _is_tokenizer(value: object) -> bool:
    return _is_a(value, "transformers.tokenization_utils_base", "PreTrainedTokenizerBase") or _is_a(
        value, "tokenizers", "Tokenizer")


def _is_dataset(value: object) -> bool:
    return _is_a(value, "datasets", "Dataset", "DatasetDict")


def _is_a(value: object, module: str, *names: str) -> bool:
    """isinstance, without importing a library that nothing here has come from."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, tuple(getattr(loaded, name) for name in names))
