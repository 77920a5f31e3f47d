"""A lesson's py:percent text as a notebook that is the same, byte for byte, every time it is made.

The notebook is a reading of the text, never its pair: nothing here writes a lesson back.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.cells import grade_id

# Without comment_magics=False jupytext takes a comment such as `# copy the list` for a shell command and makes it code.
FORMAT = {"extension": ".py", "format_name": "percent", "comment_magics": False}
CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what nbformat 4.5 allows
MARKER = re.compile(r"# %%(?!%)")

_LAYOUT_KEYS = ("lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker")


def read(path: Path) -> NotebookNode:
    """The lesson at `path` as a notebook with stable cell ids and without outputs."""
    return reads(path.read_text(encoding="utf-8"))


def reads(text: str) -> NotebookNode:
    """The py:percent `text` as a notebook; the same text gives the same notebook."""
    import jupytext

    notebook = jupytext.reads(text, fmt=dict(FORMAT))
    notebook.metadata = plain_metadata()
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        for key in _LAYOUT_KEYS:
            cell.metadata.pop(key, None)
    _number(notebook)
    return notebook


def plain_metadata() -> NotebookNode:
    """Notebook metadata with nothing in it that depends on who made the file, when or with which version."""
    return nbformat.from_dict({
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    })


def dumps(notebook: NotebookNode) -> bytes:
    """The bytes of an .ipynb file, laid out as nbconvert and nbgrader lay them out."""
    nbformat.validate(notebook)
    return (nbformat.writes(notebook, version=4).rstrip("\n") + "\n").encode("utf-8")


def content_id(cell: NotebookNode) -> str:
    """A cell id made of what the cell says."""
    return hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]


def first_lines(text: str, notebook: NotebookNode) -> list[int]:
    """For each cell the line of the file, from 1, that its source starts on.

    jupytext keeps no line numbers. A `# %%` inside a string starts no cell, so markers are matched with what follows.
    """
    lines = text.splitlines()
    markers = [number for number, line in enumerate(lines) if MARKER.match(line)]
    found: list[int] = []
    at = 0
    for cell in notebook.cells:
        wanted = cell.source.split("\n")[0]
        for position in range(at, len(markers)):
            start = _first_filled(lines, markers[position] + 1)
            if _is_line_of(lines[start] if start < len(lines) else "", wanted):
                found.append(start + 1)
                at = position + 1
                break
        else:
            # An unmarked first cell, or one whose text jupytext changed: the place before the next marker will do.
            found.append(markers[at] + 1 if at < len(markers) else len(lines))
    return found


def _first_filled(lines: list[str], start: int) -> int:
    while start < len(lines) and not lines[start].strip():
        start += 1
    return start


def _is_line_of(line: str, wanted: str) -> bool:
    return line == wanted or line.removeprefix("#").removeprefix(" ") == wanted or not wanted


def _number(notebook: NotebookNode) -> None:
    """cell id = grade_id, else a hash of the content; the second of two equal cells gets `-2`, and so on."""
    given = [grade_id(cell) for cell in notebook.cells]
    wanted = [name if isinstance(name, str) and CELL_ID.fullmatch(name) else content_id(cell)
              for name, cell in zip(given, notebook.cells, strict=True)]
    taken: set[str] = set()
    for cell, name in zip(notebook.cells, wanted, strict=True):
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name[:60]}-{number}"
        taken.add(unique)
        cell.id = unique
