"""The marked regions of a cell: the solution and the hidden tests, as nbgrader finds them (by part of a line)."""

from __future__ import annotations

import re

BEGIN_SOLUTION, END_SOLUTION = "BEGIN SOLUTION", "END SOLUTION"
BEGIN_HIDDEN, END_HIDDEN = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"

# What reads like a marker to a person, whether or not nbgrader would see it.
LIKE_A_MARKER = re.compile(r"^\W*(BEGIN|END)[ _-]+(SOLUTION|HIDDEN|MARK)", re.IGNORECASE)
EXACT = re.compile(r"^\s*### (BEGIN|END) (SOLUTION|HIDDEN TESTS)$")


def inside(source: str) -> str:
    """The lines between the solution markers."""
    kept, keep = [], False
    for line in source.split("\n"):
        if BEGIN_SOLUTION in line:
            keep = True
        elif END_SOLUTION in line:
            keep = False
        elif keep:
            kept.append(line)
    return "\n".join(kept)


def without_markers(source: str) -> str:
    """The cell with its solution, but without the marker lines."""
    return "\n".join(line for line in source.split("\n") if BEGIN_SOLUTION not in line and END_SOLUTION not in line)


def stubbed(source: str, stub: str = "pass") -> str:
    """The cell with `stub` in place of each solution region, indented as its first marker is."""
    lines, inside_region = [], False
    for line in source.split("\n"):
        if BEGIN_SOLUTION in line:
            lines.append(re.match(r"\s*", line)[0] + stub)
            inside_region = True
        elif END_SOLUTION in line:
            inside_region = False
        elif not inside_region:
            lines.append(line)
    return "\n".join(lines)


def at_top_level(source: str) -> bool:
    """A solution region that is not part of a function or class: its stub runs with the cell."""
    return any(line.startswith("#") and BEGIN_SOLUTION in line for line in source.split("\n"))


def visible_and_hidden(source: str) -> tuple[str, str]:
    """A test cell's lines before its hidden tests, and the hidden ones."""
    before, _, after = source.partition(f"### {BEGIN_HIDDEN}")
    return before, after.partition(f"### {END_HIDDEN}")[0]
