"""`course check --run`: each lesson with its own solutions, start to end, with its seconds and its memory.

Every unit runs in a Python of its own, so that import time and peak memory are its own. The budget (design of the
course: 90 s and 3 GB on two cores) is reported and never asserted: a busy machine is not a bad lesson.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.table import Table

from autograder.authoring import lesson_run
from autograder.cells import is_test, points
from autograder.course import Course
from autograder.errors import AuthorError, InfrastructureError
from autograder.single_thread import one_thread_only

BUDGET_SECONDS = 90
BUDGET_GB = 3.0


@dataclass(frozen=True)
class Run:
    """One unit's run: wall-clock seconds with imports, peak resident memory, and what its tests gave."""

    unit: str
    seconds: float = 0.0
    gigabytes: float = 0.0
    tests: int = 0
    points: float = 0.0
    problem: str = ""

    @property
    def within_budget(self) -> bool:
        return self.seconds <= BUDGET_SECONDS and self.gigabytes <= BUDGET_GB


def run_units(course: Course, units: list[str], progress: Callable[[Run], None] | None = None) -> list[Run]:
    """Run the units in order; a unit that fails is reported and the others still run."""
    runs = []
    for unit in units:
        runs.append(_run(course, unit))
        if progress:
            progress(runs[-1])
    return runs


def table(runs: list[Run]) -> Table:
    """For people: seconds and memory per unit against the budget."""
    made = Table(box=None, padding=(0, 2, 0, 0))
    made.add_column("unit", no_wrap=True)
    for name in ("tests", "points", "seconds", "GB", ""):
        made.add_column(name, justify="right" if name else "left")
    for run in runs:
        if run.problem:
            made.add_row(run.unit, "", "", "", "", run.problem, style="red")
            continue
        note = "" if run.within_budget else f"over the budget of {BUDGET_SECONDS} s and {BUDGET_GB:g} GB"
        made.add_row(run.unit, str(run.tests), f"{run.points:g}", f"{run.seconds:.1f}", f"{run.gigabytes:.1f}", note)
    return made


def _run(course: Course, unit: str) -> Run:
    command = [sys.executable, "-m", "autograder.authoring.reference_run", str(course.root), unit]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=lesson_run.environment(), check=False)
    seconds = time.perf_counter() - started
    if done.returncode == AuthorError.exit_code:
        return Run(unit, seconds, problem=done.stderr.strip())
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Run(unit, seconds, problem=f"the run died with exit code {done.returncode}: {last}")
    data = json.loads(done.stdout.splitlines()[-1])
    return Run(unit, seconds, data["gigabytes"], data["tests"], data["points"])


def main() -> int:
    """In the unit's own process: run every cell that grading would, then report as one line of JSON."""
    from pathlib import Path

    course, unit = Course(Path(sys.argv[1])), sys.argv[2]
    one_thread_only()
    try:
        notebook = lesson_run.read_lesson(course, unit)
        lesson = lesson_run.Lesson(unit, notebook)
        for index in range(len(notebook.cells)):
            if lesson.runs(index):
                lesson.run_cell(index)
    except (AuthorError, InfrastructureError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    tests = [cell for cell in notebook.cells if is_test(cell)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"gigabytes": peak / 1e9, "tests": len(tests), "points": sum(map(points, tests))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
