"""Find where an error came from in the text of an IPython traceback."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_FRAME = re.compile(r"^\s*(?:Cell In\[(?P<count>\d+)\], line (?P<line>\d+)|File (?P<file>.+?):(?P<number>\d+)\b)",
                    re.MULTILINE)
_CHAIN = re.compile(r"^(?:During handling of the above exception|The above exception was the direct cause)",
                    re.MULTILINE)


@dataclass(frozen=True)
class Frame:
    """cell: index of the notebook cell, None for a library. line: 1-based."""

    cell: int | None
    line: int


def plain(text: str) -> str:
    """Without colours and control characters."""
    return "".join(c for c in _ANSI.sub("", text) if c in "\n\t" or c.isprintable())


def read_frames(traceback: list[str], cell_of: dict[int, int]) -> list[Frame]:
    """The frames of the last error of a chain, outermost first; none where the text is not IPython's.

    cell_of: execution count -> index of the cell in the notebook.
    """
    text = plain("\n".join(part for part in traceback if isinstance(part, str)))
    last = _CHAIN.split(text)[-1]
    return [Frame(cell_of.get(int(match["count"])), int(match["line"])) if match["count"]
            else Frame(None, int(match["number"])) for match in _FRAME.finditer(last)]
