"""A model's run written down: what went into each module and what came out, for `module_browser` to show."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_CALLS = 4000  # a long `generate` would fill the memory
ROWS, COLUMNS = 24, 96  # of a tensor that are kept: the corner that a picture shows


@dataclass(frozen=True)
class Glimpse:
    """One value that went in or came out. `values` is the corner of a tensor that can be shown, two-dimensional."""

    label: str
    title: str
    note: str = ""
    values: np.ndarray | None = None


@dataclass(frozen=True)
class Call:
    """One call of a module: its name in the model, its class, its parameters, and what passed through it."""

    name: str
    kind: str
    parameters: int
    positional: tuple[Glimpse, ...]
    keyword: tuple[Glimpse, ...]
    output: tuple[Glimpse, ...]


@contextlib.contextmanager
def recording(model: nn.Module) -> Iterator[list[Call]]:
    """Write down every call of every module within the `with`, in the order in which the calls end.

    Keeps a corner of each tensor, not the tensor, and no more than MOST_CALLS calls. The hooks are gone afterwards,
    also after an error.
    """
    calls: list[Call] = []

    def watch(name: str):
        def hook(module, args, kwargs, output):
            if len(calls) < MOST_CALLS:
                calls.append(_call(name, module, args, kwargs, output))

        return hook

    handles = []
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(watch(name), with_kwargs=True))
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def glimpses(label: str, value: Any) -> tuple[Glimpse, ...]:
    """A value as glimpses, one for each of its parts. A tensor is one part: its rows are never walked."""
    if isinstance(value, torch.Tensor):
        return (_tensor(label, value),)
    if isinstance(value, Mapping):  # the library's outputs are mappings
        return tuple(glimpse for key, item in value.items() for glimpse in glimpses(f"{label}.{key}".strip("."), item))
    if isinstance(value, tuple | list):
        return tuple(glimpse for i, item in enumerate(value) for glimpse in glimpses(f"{label}[{i}]", item))
    if value is None or isinstance(value, bool | int | float | str):
        return (Glimpse(label, repr(value)),)
    title = type(value).__name__
    if hasattr(value, "get_seq_length"):  # a cache; it is shared, so this is its state after the call
        title += f", {value.get_seq_length()} tokens"
    return (Glimpse(label, title),)


def _call(name: str, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Call:
    labels = [f"{i} ({word})" if word else str(i) for i, word in enumerate(_words(module, len(args)))]
    return Call(
        name,
        type(module).__name__,
        sum(p.numel() for p in module.parameters()),
        tuple(glimpse for label, value in zip(labels, args, strict=True) for glimpse in glimpses(label, value)),
        tuple(glimpse for label, value in kwargs.items() for glimpse in glimpses(label, value)),
        glimpses("", output),
    )


def _words(module: nn.Module, count: int) -> list[str]:
    """What the module itself calls its positional inputs; "" where it does not say."""
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    words = [p.name if p.kind is not inspect.Parameter.VAR_POSITIONAL else "" for p in parameters[:count]]
    return words + [""] * (count - len(words))


def _tensor(label: str, tensor: Tensor) -> Glimpse:
    tensor = tensor.detach()
    title = f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.is_meta or not tensor.numel() or tensor.is_complex():
        return Glimpse(label, title)
    wide = tensor.double() if tensor.is_floating_point() else tensor.long()
    note = f"from {_number(wide.min())} to {_number(wide.max())}"
    if tensor.is_floating_point():
        note += f", mean {_number(wide.mean())}"
    corner = wide
    while corner.ndim > 2:
        corner = corner[0]
    corner = corner.reshape(-1, corner.shape[-1] if corner.ndim else 1)
    shown = corner[:ROWS, :COLUMNS]
    parts = []
    if tensor.ndim > 2 and any(size > 1 for size in tensor.shape[:-2]):
        parts.append(f"[{', '.join('0' * (tensor.ndim - 2))}]")
    if shown.shape != corner.shape:
        parts.append(f"rows 0–{len(shown) - 1} of {len(corner)}" if len(shown) < len(corner) else "")
        cut = shown.shape[1] < corner.shape[1]
        parts.append(f"columns 0–{shown.shape[1] - 1} of {corner.shape[1]:,}" if cut else "")
    if any(parts):
        note += f"; shown: {', '.join(filter(None, parts))}"
    return Glimpse(label, title, note, shown.cpu().numpy().copy())


def _number(value: Tensor) -> str:
    return f"{value.item():.4g}" if value.is_floating_point() else f"{value.item():,}"
