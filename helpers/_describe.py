"""Values as a small tree of plain text, which `helpers.show` draws."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

MAX_ITEMS = 8  # of a container
MAX_DEPTH = 3  # containers in containers
MAX_TEXT = 600  # characters
MAX_VALUES = 24  # of an array, or of a list of plain numbers or tokens


@dataclass
class Node:
    """One value: what it is (`title`), some lines about it, and its named parts."""

    title: str
    lines: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    children: list[tuple[str, Node]] = field(default_factory=list)


def describe(value: Any, depth: int = 0) -> Node:
    """The tree of `value`. Arrays are summarized, never taken apart; repeated layers of a module are told once."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch and isinstance(value, torch.Tensor):
        return _tensor(value)
    if numpy and isinstance(value, numpy.ndarray):
        return _array(f"ndarray {value.shape} {value.dtype}", value)
    if torch and isinstance(value, torch.nn.Module):
        from helpers._describe_module import describe_module

        return describe_module(value)
    if isinstance(value, str):
        title = f"str, {count(len(value), 'character')}"
        return Node(f"{title}: {value!r}") if len(value) < 60 else Node(title, [cut(value, MAX_TEXT)])
    if hasattr(value, "_asdict"):  # a named tuple
        return _container(value, value._asdict().items(), depth)
    if isinstance(value, Mapping):
        return _container(value, value.items(), depth)
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | range):
        return _list(value, depth)
    if value is None:
        return Node("None")
    try:
        text = repr(value)
    except Exception as error:  # what cannot describe itself is shown all the same
        text = f"(its repr raises {type(error).__name__})"
    name = type(value).__name__
    if text.startswith(f"{name}(") and len(text) < 80:
        return Node(text)
    return Node(f"{name} {text}") if len(text) < 80 and "\n" not in text else Node(name, [cut(text, MAX_TEXT)])


def _tensor(tensor) -> Node:
    values = tensor.detach()
    title = (
        f"{type(tensor).__name__} {tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')} on {tensor.device}"
    )
    title += ", requires grad" * tensor.requires_grad
    if values.is_meta or values.is_sparse or values.is_quantized:
        return Node(title)
    return _array(title, (values.float() if values.is_floating_point() else values).cpu().numpy())


def _array(title: str, values) -> Node:
    import numpy as np

    node = Node(title)
    if values.size == 0:
        node.lines.append("no values")
        return node
    if values.dtype == bool:
        node.lines.append(f"{int(values.sum()):,} of {values.size:,} are True")
    elif values.dtype.kind in "iu" and values.size > 1:
        node.lines.append(f"min {values.min()}, max {values.max()}")
    elif values.dtype.kind == "f" and values.size > 1:
        finite = values[np.isfinite(values)]
        if finite.size:
            mean = finite.mean(dtype=np.float64)
            node.lines.append(f"min {finite.min():.4g}, mean {mean:.4g}, max {finite.max():.4g}")
        odd = {"NaN": np.isnan(values).sum(), "inf": np.isposinf(values).sum(), "-inf": np.isneginf(values).sum()}
        node.lines += [f"{count:,} of {values.size:,} are {what}" for what, count in odd.items() if count]
    if values.size <= MAX_VALUES:
        node.lines += _numbers(values.tolist()).replace("], [", "],\n [").split("\n")
    else:
        node.lines.append(f"[{', '.join(_numbers(v) for v in values.reshape(-1)[:6].tolist())}, …]")
    return node


def _numbers(value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_numbers, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _list(value, depth: int) -> Node:
    title = f"{type(value).__name__} of {len(value)}"
    kinds = {type(item) for item in value}
    if kinds and kinds <= {int, float, bool}:
        shown = ", ".join(_numbers(item) for item in islice(value, MAX_VALUES)) + _more(len(value), MAX_VALUES)
        return Node(f"{title} {'/'.join(sorted(k.__name__ for k in kinds))}: {shown}")
    if kinds == {str} and max(map(len, value)) <= 40:
        tokens = list(islice(value, 2 * MAX_VALUES))
        return Node(f"{title} str{_more(len(value), 2 * MAX_VALUES)}", tokens=tokens)
    return _container(value, enumerate(value), depth)


def _container(value, items, depth: int) -> Node:
    node = Node(f"{type(value).__name__} of {len(value)}")
    if depth >= MAX_DEPTH:
        node.title += ", …" if len(value) else ""
        return node
    told = 0
    for _, group in groupby(items, lambda item: _kind(item[1])):
        run = list(group)
        if len(run) > 2 and not isinstance(value, Mapping):  # the keys of a mapping are worth telling
            child = describe(run[0][1], depth + 1)
            child.title = f"{len(run):,} x {child.title}; the first:"
            node.children.append((f"{run[0][0]} to {run[-1][0]}", child))
            told += len(run)
        else:
            run = run[: MAX_ITEMS - len(node.children)]
            node.children += [(cut(str(key), 60), describe(item, depth + 1)) for key, item in run]
            told += len(run)
        if len(node.children) >= MAX_ITEMS:
            break
    if told < len(value):
        node.children.append(("", Node(_more(len(value), told).removeprefix(", "))))
    return node


def _kind(value, depth: int = 0):
    """Equal for tensors, and for lists of them, that differ in their values alone; for other things never."""
    torch = sys.modules.get("torch")
    if torch and isinstance(value, torch.Tensor):
        return type(value), value.shape, value.dtype, value.device
    if isinstance(value, list | tuple) and 0 < len(value) <= 64 and depth < MAX_DEPTH:
        return type(value), *(_kind(item, depth + 1) for item in value)
    return object()


def _more(length: int, shown: int) -> str:
    return f", … {length - shown:,} more" if length > shown else ""


def count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more)"
