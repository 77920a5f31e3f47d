"""The report on the tests of the exercises, as people read it: a table, then one paragraph a problem."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from autograder.authoring.answers import AnswersReport, ExerciseReport, UnitReport, check_answers
from autograder.course import Course
from autograder.errors import AuthorError


def render(report: AnswersReport, *, survivors: bool = False) -> RenderableType:
    """A table per unit (caught, accepted or killed, of how many) and the problems.

    With `survivors`, also the mutants that no test killed.
    """
    parts: list[RenderableType] = []
    for unit in report.units:
        parts.append(_table(unit))
        if survivors:
            parts += [Text(f"  {one.name} survives: {text}", style="dim") for one in unit.exercises
                      for text in one.survivors]
    if report.problems:
        parts.append(Text(f"{len(report.problems)} to mend:", style="bold red"))
        parts += [Text(f"- {problem}") for problem in report.problems]
    else:
        parts.append(Text("Every test takes the right answers and refuses the wrong ones.", style="bold green"))
    return Group(*parts)


def report_answers(course: Course, units: list[str] | None = None, jobs: int = 2, *,
                   exercises: list[str] | None = None, survivors: bool = False) -> None:
    """What `course check --answers` does: progress on stderr, the report on stdout.

    Raises AuthorError (exit code 3) where anything is to be mended.
    """
    report = check_answers(course, units, jobs, exercises=exercises, progress=show_progress)
    Console(soft_wrap=True, highlight=False).print(render(report, survivors=survivors))
    if report.problems:
        units_named = ", ".join(unit.unit for unit in report.units if unit.problems)
        raise AuthorError(f"{len(report.problems)} to mend in the tests or the answer banks of {units_named}.")


def show_progress(unit: str, exercise: ExerciseReport) -> None:
    """One line on stderr after each exercise."""
    state = f"{len(exercise.problems)} to mend" if exercise.problems else "good"
    Console(stderr=True, highlight=False).print(f"{unit} {exercise.name}: {state} ({exercise.seconds:.0f} s)")


def _table(unit: UnitReport) -> Table:
    table = Table(title=unit.unit, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("exercise", no_wrap=True)
    for name in ("pts", "ref", "stub", "wrong", "right", "mutants", "equal", "outs", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in unit.exercises:
        if not one.reference:
            table.add_row(one.name, f"{one.points:g}", _mark(False), style="red")
            continue
        table.add_row(
            one.name, f"{one.points:g}", _mark(one.reference), _mark(one.stub),
            _share(one.wrong_caught, one.wrong), _share(one.right_accepted, one.right),
            _killed(one.killed, one.mutants), str(one.equivalents or ""),
            _share(one.outputs - len(one.outputs_passing), one.outputs), f"{one.seconds:.0f}",
            style="red" if one.problems else None)
    total = sum(one.seconds for one in unit.exercises)
    killed, mutants = (sum(getattr(one, name) for one in unit.exercises) for name in ("killed", "mutants"))
    table.add_row("all", f"{sum(one.points for one in unit.exercises):g}", "", "", "", "", _killed(killed, mutants), "",
                  "", f"{total:.0f}", style="bold")
    return table


def _mark(good: bool) -> str:
    return "✓" if good else "✗"


def _share(good: int, of: int) -> str:
    return f"{good}/{of}"


def _killed(killed: int, mutants: int) -> str:
    return f"{killed}/{mutants} {killed / mutants:4.0%}" if mutants else "0/0"
