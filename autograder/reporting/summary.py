"""What a class's results come to: numbers for the table and the page, no drawing."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from autograder.grading.outcome import Outcome
from autograder.grading.results import Results
from autograder.grading.rows import Row, worst
from autograder.grading.verdicts import Verdict

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
    """rows: of this unit, as grades.csv has them. Reads the class one student at a time."""
    results, students = Results(out, unit), {row.student for row in rows}
    data = results.read_unit()
    exercises = {name: _Exercise(name, points) for name, points in data.get("exercises", {}).items()}
    unfinished = set()
    for result in results:
        if result.outcome.student in students:
            unfinished.update(() if result.outcome.final else (result.outcome.student,))
            for exercise in exercises.values():
                exercise.add(result.outcome)
    histogram = [0] * BINS
    for row in rows:
        histogram[min(BINS - 1, int(share(row) * BINS + 1e-9))] += 1
    best_first = sorted(rows, key=lambda row: (-share(row), row.student))
    look = [row for row in best_first
            if row.status in {"missing", "unreadable", "tampered"} or row.student in unfinished]
    return UnitSummary(unit, data.get("title", unit), best_first, [one.summary() for one in exercises.values()],
                       histogram, data.get("pending", 0), look)


class _Exercise:
    """Counts how one exercise ended and what its tests said, a student after the other."""

    def __init__(self, name: str, points: float):
        self.name, self.points = name, points
        self.counts: Counter[str] = Counter(dict.fromkeys(ENDINGS, 0))
        self.said: dict[str, _Said] = {}

    def add(self, outcome: Outcome) -> None:
        verdicts = [verdict for verdict in outcome.verdicts if verdict.exercise == self.name]
        self.counts[_ending(verdicts, bool(outcome.problem))] += 1
        for verdict in verdicts:
            if verdict.status != "passed" and verdict.answered and not outcome.problem:
                said = self.said.setdefault(_misconception(verdict.message), _Said(_cut(verdict.message)))
                said.students[outcome.student] = None
                said.hidden = said.hidden and verdict.hidden

    def summary(self) -> ExerciseSummary:
        messages = [Message(said.text, tuple(said.students), said.hidden) for said in self.said.values()]
        messages.sort(key=lambda message: (-len(message.students), message.text))
        return ExerciseSummary(self.name, self.points, dict(self.counts), messages)


@dataclass
class _Said:
    """One message; its values are those of the first who met it."""

    text: str
    students: dict[str, None] = field(default_factory=dict)  # in the order in which they came
    hidden: bool = True


def _misconception(message: str) -> str:
    """A message without the values that came, which helpers.checks puts in brackets at its end."""
    return _VALUES.sub("", message)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


def _ending(verdicts: list[Verdict], problem: bool) -> str:
    if problem:
        return "nothing to grade"
    status = worst(verdict.status for verdict in verdicts)
    if status != "passed" and not any(verdict.answered for verdict in verdicts):
        return "not answered"
    return _ENDING.get(status, "ended Python or took too long")
