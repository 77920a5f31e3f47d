"""`course check`: every rule on every lesson, and the coverage of the whole.

The rules are in lint_structure, lint_prose, lint_code, lint_tests and lint_sides, a function each; importing those
modules registers them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field

from autograder.authoring import coverage, lint_code, lint_prose, lint_sides, lint_structure, lint_tests
from autograder.authoring.lint_core import LEAKS, RULES, Lesson, Problem, run
from autograder.course import Course

__all__ = ["LEAKS", "RULES", "CheckReport", "Lesson", "Problem", "check", "leaks", "lint"]

RULE_MODULES = (lint_structure, lint_prose, lint_code, lint_tests, lint_sides)


@dataclass
class CheckReport:
    """What `check` found."""

    units: list[str] = field(default_factory=list)  # the units looked at
    problems: list[Problem] = field(default_factory=list)
    coverage: coverage.Coverage | None = None

    @property
    def errors(self) -> list[Problem]:
        """What must be mended: `course check` exits with 3."""
        return [problem for problem in self.problems if not problem.warning]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.warning]


def lint(course: Course, unit: str) -> list[Problem]:
    """All findings about one unit, in the order of its file; an unreadable lesson is one finding."""
    return _run(course, course.unit(unit), None)


def leaks(course: Course, unit: str) -> list[Problem]:
    """The findings for which a build refuses a lesson: those that could hand an answer to students."""
    return _run(course, course.unit(unit), LEAKS)


def check(course: Course, units: list[str] | None = None) -> CheckReport:
    """Lint `units` (default: all) and look at the coverage of the whole course."""
    chosen = [course.unit(name) for name in units] if units else course.units
    report = CheckReport(units=chosen, coverage=coverage.of(course))
    for unit in chosen:
        report.problems += lint(course, unit)
    if not units:
        report.problems += [*_pairing(course), *_coverage(report.coverage)]
    return report


def _run(course: Course, unit: str, only: set[str] | None) -> list[Problem]:
    path = course.source(unit)
    try:
        lesson = Lesson.read(course, unit)
    except Exception as error:  # whatever jupytext or a codec makes of a broken file
        place = path.relative_to(course.root).as_posix()
        return [Problem(place, 1, f"the lesson cannot be read: {type(error).__name__}: {error}.", "readable")]
    return run(lesson, only)


def _pairing(course: Course) -> list[Problem]:
    """jupytext's settings for the whole course must not pair lessons with notebooks."""
    found = []
    for name in ("jupytext.toml", "pyproject.toml"):
        path = course.root / name
        if not path.is_file():
            continue
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        if name == "pyproject.toml":
            settings = settings.get("tool", {}).get("jupytext", {})
        if "formats" in settings:
            found.append(Problem(name, 1, "`formats` pairs lessons with notebooks that carry the answers: remove it.",
                                 "header"))
        if name == "jupytext.toml" and settings.get("cell_metadata_filter") != "all":
            found.append(Problem(name, 1, "`cell_metadata_filter` must be \"all\", or saving a lesson in JupyterLab "
                                          "drops nbgrader's metadata.", "header"))
    return found


def _coverage(found: coverage.Coverage) -> list[Problem]:
    """What no recap claims: a warning while planned units are missing, an error after that."""
    uncovered = found.uncovered
    if not uncovered:
        return []
    if found.complete:
        return [Problem("source", 1, f"no unit covers {code}: a `Covers:` line must claim it.", "coverage")
                for code in uncovered]
    message = (f"{len(uncovered)} of {len(found.by)} coverage items are still open; units to come: "
               f"{len(found.missing_units)}; items: {', '.join(uncovered)}.")
    return [Problem("source", 1, message, "coverage", warning=True)]
