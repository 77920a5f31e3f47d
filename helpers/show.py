"""`show(value)`: what a value is, at a glance, in a notebook or in plain text.

Shapes, types and ranges of tensors; the tree of a module, repeated layers told once; containers to a few levels;
strings and tokens with their spaces to be seen. It summarizes: use `print` for every digit.
"""

from __future__ import annotations

from html import escape
from typing import Any

from helpers._describe import Node, describe
from helpers.plots import visible
from helpers.runtime import has_kernel

_OPEN_LEVELS = 3  # deeper parts are folded in a notebook
_QUIET = "opacity: 0.75; margin-left: 1.2em; white-space: pre-wrap"
_TOKEN = "border: 1px solid; border-radius: 4px; padding: 0 3px; margin: 1px; display: inline-block"


class View:
    """A value described: `str(view)` is plain text, and a notebook displays it as HTML in the page's own colours."""

    def __init__(self, node: Node, name: str | None = None):
        self._node, self._name = node, name

    def __str__(self) -> str:
        return "\n".join(_text(self._node, self._name or "", "", ""))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f'<div style="font-family: monospace; line-height: 1.4">{_html(self._node, self._name or "", 0)}</div>'


def view(value: Any, name: str | None = None) -> View:
    """The description of `value`, under `name` if given, to display or to turn into text."""
    return View(describe(value), name)


def show(value: Any, name: str | None = None) -> None:
    """Display the description of `value` now: several calls in one cell show one below the other."""
    described = view(value, name)
    if has_kernel():
        from IPython.display import display

        display(described)
    else:
        print(described)


def _text(node: Node, label: str, first: str, rest: str) -> list[str]:
    """first, rest: what stands before the first line and before the others (the branches of the tree)."""
    out = [first + (f"{label}: " if label else "") + node.title]
    inner = rest + ("│ " if node.children else "  ")
    out += [inner + part for line in node.lines for part in line.splitlines() or [""]]
    if node.tokens:
        out.append(inner + " | ".join(map(visible, node.tokens)))
    for i, (name, child) in enumerate(node.children):
        last = i == len(node.children) - 1
        out += _text(child, name, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))
    return out


def _html(node: Node, label: str, level: int) -> str:
    head = (f"<b>{escape(label)}</b>: " if label else "") + escape(node.title)
    body = "".join(f'<div style="{_QUIET}">{escape(line)}</div>' for line in node.lines)
    if node.tokens:
        tokens = "".join(f'<span style="{_TOKEN}">{escape(visible(token))}</span>' for token in node.tokens)
        body += f'<div style="margin-left: 1.2em">{tokens}</div>'
    if not node.children:
        return f"<div>{head}{body}</div>"
    parts = "".join(_html(child, name, level + 1) for name, child in node.children)
    opened = " open" if level < _OPEN_LEVELS else ""
    return f'<details{opened}><summary>{head}</summary><div style="margin-left: 1.4em">{body}{parts}</div></details>'
