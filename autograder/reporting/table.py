"""The class as a table in the terminal."""

from __future__ import annotations

import re

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.grading.rows import in_words, number
from autograder.reporting.summary import UnitSummary, share, what_happened

_WIDE = 120  # columns from which a sentence fits beside a student
_NOTHING_TO_SAY = re.compile(r"All \d+ tests passed\.")
_WIDTH = 12  # characters of a full bar
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STYLES = {"passed": "green", "failed": "yellow", "error": "yellow", "timeout": "magenta", "memory": "magenta",
           "killed": "magenta", "tampered": "red", "unreadable": "red", "missing": "red"}


def print_table(summary: UnitSummary, console: Console) -> None:
    """Print everyone, best first, and a line on the whole class.

    What happened stands beside each student where there is room, else below the table.
    """
    wide = console.width >= _WIDE
    table = Table(title=f"{summary.title} ({summary.unit})", title_justify="left", title_style="bold", box=None,
                  padding=(0, 1), header_style="dim", collapse_padding=True)
    table.add_column("student", no_wrap=True, overflow="ellipsis", max_width=24)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("%", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    if wide:
        table.add_column("what happened", ratio=1)
    plain = not (console.encoding or "").lower().startswith("utf")
    for row in summary.rows:
        style = _STYLES[row.status]
        part = share(row)
        # A cell's text comes from file names and students' own errors: never read it as rich's markup.
        cells = [Text(row.student), Text(f"{number(row.score)}/{number(row.max_score)}"),
                 Text(bar(part, plain), style=style), Text(percent(part)), Text(in_words(row), style=style)]
        table.add_row(*cells, *([Text(what_happened(row))] if wide else []))
    console.print(table)
    if not wide:
        console.print()
        for row in summary.rows:
            if not _NOTHING_TO_SAY.fullmatch(what_happened(row)):
                console.print(Text.assemble((row.student, "bold"), ": ", what_happened(row)))
        console.print()
    console.print(Text(headline(summary), style="bold"))


def headline(summary: UnitSummary) -> str:
    """The class in one line."""
    count = len(summary.rows)
    said = [f"{count} student{'s' * (count != 1)}", f"mean {percent(summary.mean)} %",
            f"median {percent(summary.median)} %", f"{summary.full} with every test passed"]
    if summary.pending:
        said.append(f"{summary.pending} written answer{'s' * (summary.pending != 1)} to read")
    if summary.look:
        said.append(f"look at {', '.join(row.student for row in summary.look)}")
    return " · ".join(said)


def percent(part: float) -> str:
    """A whole number; 100 only for all of it."""
    return str(round(100 * part) if part in (0, 1) else min(99, max(1, round(100 * part))))


def bar(part: float, plain: bool = False) -> str:
    """A bar of _WIDTH characters, an eighth of a character fine."""
    if plain:
        return ("#" * round(part * _WIDTH)).ljust(_WIDTH, ".")
    full, rest = divmod(round(part * _WIDTH * 8), 8)
    return ("█" * full + _EIGHTHS[rest] * (full < _WIDTH)).ljust(_WIDTH)
