"""What a class's results come to: numbers for the table and the page, no drawing."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from autograder.grading.results import read_unit
from autograder.grading.rows import Row, worst

BINS = 10  # of the histogram, each a tenth of the points
# How one student's exercise ended, in the order in which bars are stacked.
ENDINGS = ("passed", "not right yet", "stopped with an error", "ended Python or took too long", "not answered",
           "nothing to grade")
_ENDING = {"passed": "passed", "failed": "not right yet", "error": "stopped with an error"}
_LONGEST = 240
_VALUES = re.compile(r"(?<=\w) \([^`]*\)$", re.DOTALL)
_WAITS = re.compile(r" \d+ written answers? waits? for a person\.$")


@dataclass(frozen=True)
class Message:
    text: str
    students: tuple[str, ...]
    hidden: bool


@dataclass(frozen=True)
class ExerciseSummary:
    """counts: ending -> number of students. messages: what its tests said, the commonest first."""

    name: str
    points: float
    counts: dict[str, int]
    messages: list[Message]

    @property
    def rate(self) -> float:
        """Part of the class that passed, 0 to 1."""
        total = sum(self.counts.values())
        return self.counts["passed"] / total if total else 0.0


@dataclass(frozen=True)
class UnitSummary:
    unit: str
    title: str
    rows: list[Row]  # best first
    exercises: list[ExerciseSummary]
    histogram: list[int]
    pending: int  # written answers that wait for a person
    look: list[Row]  # work that could not be graded: a person should look into it

    @property
    def mean(self) -> float:
        return statistics.fmean(map(share, self.rows)) if self.rows else 0.0

    @property
    def median(self) -> float:
        return statistics.median(map(share, self.rows)) if self.rows else 0.0

    @property
    def full(self) -> int:
        return sum(row.status == "passed" for row in self.rows)


def share(row: Row) -> float:
    """Part of the points, 0 to 1."""
    return min(1.0, max(0.0, row.score / row.max_score)) if row.max_score else 0.0


def what_happened(row: Row) -> str:
    """The reason without what waits for a person, which the class's headline counts."""
    return _WAITS.sub("", row.reason)


def summarize(out: Path, unit: str, rows: list[Row]) -> UnitSummary:
    """rows: of this unit, as grades.csv has them."""
    data = read_unit(out, unit)
    students = {name: result for name, result in data["students"].items() if name in {row.student for row in rows}}
    exercises = [_exercise(name, points, students) for name, points in data["exercises"].items()]
    histogram = [0] * BINS
    for row in rows:
        histogram[min(BINS - 1, int(share(row) * BINS + 1e-9))] += 1
    best_first = sorted(rows, key=lambda row: (-share(row), row.student))
    pending = sum(len(result.get("pending", ())) for result in students.values())
    look = [row for row in best_first if row.status in {"missing", "unreadable", "tampered"}
            or not students.get(row.student, {}).get("final", True)]
    return UnitSummary(unit, data["title"], best_first, exercises, histogram, pending, look)


def _exercise(name: str, points: float, students: dict[str, dict]) -> ExerciseSummary:
    counts: Counter[str] = Counter(dict.fromkeys(ENDINGS, 0))
    said: dict[str, list[tuple[str, dict]]] = {}
    for student, result in students.items():
        verdicts = [verdict for verdict in result["verdicts"] if verdict["exercise"] == name]
        counts[_ending(verdicts, bool(result["problem"]))] += 1
        for verdict in verdicts:
            if verdict["status"] != "passed" and verdict["answered"] and not result["problem"]:
                said.setdefault(_misconception(verdict["message"]), []).append((student, verdict))
    messages = [_message(found) for found in said.values()]
    messages.sort(key=lambda message: (-len(message.students), message.text))
    return ExerciseSummary(name, points, dict(counts), messages)


def _misconception(message: str) -> str:
    """A message without the values that came, which helpers.checks puts in brackets at its end."""
    return _VALUES.sub("", message)


def _message(found: list[tuple[str, dict]]) -> Message:
    """One entry for all who met the same message; the values shown are those of the first."""
    text = found[0][1]["message"]
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
    return Message(text, tuple(dict.fromkeys(student for student, _ in found)), all(v["hidden"] for _, v in found))


def _ending(verdicts: list[dict], problem: bool) -> str:
    if problem:
        return "nothing to grade"
    status = worst(verdict["status"] for verdict in verdicts)
    if status != "passed" and not any(verdict["answered"] for verdict in verdicts):
        return "not answered"
    return _ENDING.get(status, "ended Python or took too long")
