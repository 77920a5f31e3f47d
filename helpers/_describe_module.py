"""A torch module as a tree (see `helpers.show`)."""

from __future__ import annotations

from itertools import groupby

from helpers._describe import Node, count, cut


def describe_module(module) -> Node:
    """The tree of a module's parts with their numbers of parameters; layers alike but for their values told once."""
    parameters = list(module.parameters())
    node = _layer(module, "", {})
    node.title = f"{type(module).__name__}: {count(sum(p.numel() for p in parameters), 'parameter')}"
    if parameters:
        size = sum(p.numel() * p.element_size() for p in parameters) / 2**20
        kinds = sorted({f"{str(p.dtype).removeprefix('torch.')} on {p.device}" for p in parameters})
        node.title += f", {size:,.1f} MiB, {', '.join(kinds)}"
    return node


def _layer(module, path: str, owners: dict[int, str]) -> Node:
    """owners: id of each parameter met so far -> the path of the module where it was met first."""
    own = list(module.parameters(recurse=False))
    shared = [owners[id(p)] for p in own if id(p) in owners]
    for parameter in own:
        owners.setdefault(id(parameter), path or "the root")
    node = Node(type(module).__name__)
    if extra := module.extra_repr():
        node.title += f"({cut(' '.join(extra.split()), 80)})"
    children = list(module.named_children())
    for _, run in groupby(children, lambda child: _signature(child[1]) if child[0].isdigit() else child[0]):
        names, layers = zip(*run)
        child = _layer(layers[0], f"{path}.{names[0]}".lstrip("."), owners)
        if len(names) > 1:
            child.title = f"{len(names)} x {child.title} each"
            names = (f"{names[0]}-{names[-1]}",)
        node.children.append((names[0], child))
    if total := sum(p.numel() for p in module.parameters()):
        node.title += f": {count(total, 'parameter')}" + (f" (shared with {shared[0]})" if shared else "")
    return node


def _signature(module) -> tuple:
    """Equal for layers that differ in their values alone."""
    shapes = tuple((name, tuple(p.shape)) for name, p in module.named_parameters(recurse=False))
    parts = tuple((name, _signature(child)) for name, child in module.named_children())
    return type(module), module.extra_repr(), shapes, parts
