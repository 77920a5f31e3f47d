"""One code cell of a lesson, as the processes that run it know it."""

from __future__ import annotations

from dataclasses import dataclass

OWN, ANSWER, DEPENDENT, TEST = "own", "answer", "dependent", "test"  # see plan.py


@dataclass(frozen=True)
class Step:
    """index: of the cell. source: of the lesson's own cells and tests; an answer's comes with a submission.

    functions, values: what a test takes from the student's side: names that the lesson defines with def or class,
        and names of everything else.
    """

    index: int
    kind: str
    grade_id: str | None = None
    source: str = ""
    functions: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
