"""One row a student: what grades.csv holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from autograder.errors import UsageError
from helpers.files import write_atomically

# How a test or a whole submission can end, the most telling first: a submission takes the first that one of its
# tests has. `passed` is the only one that gives points.
STATUSES = (
    "missing",
    "unreadable",
    "tampered",
    "killed",
    "memory",
    "timeout",
    "error",
    "failed",
    "passed",
)

WORDS = {
    "missing": "nothing handed in",
    "unreadable": "file cannot be read",
    "tampered": "tampered with the tests",
    "killed": "ended Python",
    "memory": "too much memory",
    "timeout": "took too long",
    "error": "stopped with an error",
    "failed": "not right yet",
    "passed": "passed",
}


@dataclass(frozen=True)
class Row:
    """A student's result for one unit.

    score, max_score: points. The autograded points always count, so a submission whose tests all pass has
        score == max_score. The points of the written questions join both numbers, for every student alike, once a
        person has graded the first of them: until then nobody's score suffers for work that is not read yet.
    status: one of STATUSES. `passed` means that every autograded test passed.
    reason: sentences for the instructor.
    """

    student: str
    unit: str
    score: float
    max_score: float
    status: str
    reason: str


NOTHING_ANSWERED = "No exercise was answered."


def in_words(row: Row) -> str:
    """The status as a person would say it."""
    return "not answered" if row.reason.startswith(NOTHING_ANSWERED) else WORDS[row.status]


COLUMNS = [field.name for field in fields(Row)]


def worst(statuses: Iterable[str]) -> str:
    """The most telling of `statuses`; without any nothing was shown to work, which is an error."""
    return min(statuses, key=STATUSES.index, default="error")


def read_rows(path: Path) -> list[Row]:
    """The rows of a grades.csv, none if there is no such file.

    Raises UsageError if it is not a table that grading wrote, so that it is never overwritten.
    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            if table.fieldnames is not None and table.fieldnames != COLUMNS:
                raise ValueError(f"its columns are {','.join(table.fieldnames)}")
            return [Row(**{**line, "score": float(line["score"]), "max_score": float(line["max_score"])})
                    for line in table]
    except (ValueError, TypeError, csv.Error) as error:
        raise UsageError(f"{path} is not a table of grades ({error}); wanted {','.join(COLUMNS)}. "
                         "Move it away or choose another --out.") from error


def write_rows(path: Path, rows: Iterable[Row], unit: str) -> list[Row]:
    """Replace the rows of `unit`, keep those of other units, and return all that the file now holds."""
    others = [row for row in read_rows(path) if row.unit != unit]
    everything = sorted([*others, *rows], key=lambda row: (row.unit, row.student))
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for row in everything:
        table.writerow({**asdict(row), "score": number(row.score), "max_score": number(row.max_score)})
    write_atomically(path, text.getvalue())
    return everything


def number(value: float) -> str:
    """Points as a person writes them: 3, 2.5."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
