"""What the course promises to cover, and which unit says that it does.

The list is data: `coverage.json` beside this module, or `coverage.json` in the folder of a course that has its own.
A unit claims items in its recap, on a line `Covers: A1, A2`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.authoring import percent
from autograder.course import Course

LINE = re.compile(r"^Covers: *(.*?)\.?\s*$")


@dataclass(frozen=True)
class Claim:
    """One `Covers:` line."""

    cell: int
    line: int  # within the cell, from 1
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Coverage:
    """Which items are claimed where."""

    by: dict[str, tuple[str, ...]]  # every item's code -> the units that claim it
    missing_units: tuple[str, ...]  # planned, but without a source yet

    @property
    def uncovered(self) -> list[str]:
        return [code for code, units in self.by.items() if not units]

    @property
    def complete(self) -> bool:
        """All planned units are there, so that what is uncovered now stays uncovered."""
        return not self.missing_units


def items(course: Course | None = None) -> dict[str, str]:
    """Code -> title of everything the course must cover, in order."""
    own = course.root / "coverage.json" if course else None
    path = own if own and own.is_file() else Path(__file__).with_name("coverage.json")
    return json.loads(path.read_text(encoding="utf-8"))


def claims(notebook: NotebookNode) -> list[Claim]:
    """The `Covers:` lines of a lesson."""
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        for number, line in enumerate(cell.source.split("\n"), 1):
            match = LINE.match(line)
            if match:
                found.append(Claim(index, number, tuple(filter(None, re.split(r"[,\s]+", match[1])))))
    return found


def of(course: Course) -> Coverage:
    """The coverage of the whole course; unknown codes are left to the lint of their lesson."""
    by: dict[str, list[str]] = {code: [] for code in items(course)}
    for unit in course.units:
        try:
            notebook = percent.read(course.source(unit))
        except Exception:  # lint says what is wrong with that lesson
            continue
        for claim in claims(notebook):
            for code in claim.codes:
                if code in by and unit not in by[code]:
                    by[code].append(unit)
    return Coverage({code: tuple(units) for code, units in by.items()},
                    tuple(unit for unit in course.planned_units if unit not in course.units))
