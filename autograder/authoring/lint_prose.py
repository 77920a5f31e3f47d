"""Rules for what surrounds an exercise: its heading, its hints, the question before it, the recap's coverage line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autograder.authoring import coverage
from autograder.authoring.lint_core import Lesson, Problem, rule
from autograder.cells import exercises, grade_id, is_written, points

HEADING = re.compile(r"^### Exercise: `(\w+)` \((\d+(?:\.\d+)?) points?, (\d+) minutes?\)\s*$", re.MULTILINE)
ANY_HEADING = re.compile(r"^#+ +Exercise\b.*$", re.MULTILINE | re.IGNORECASE)
HINT = re.compile(r"<summary>\s*Hint (\d+)\s*</summary>")
STATED = re.compile(r"^#+ .*?(\d+(?:\.\d+)?)\s+points?\b", re.MULTILINE)
TOTAL = re.compile(r"\bpoints\W{1,5}(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s+points?\b", re.IGNORECASE)
PREDICT = "**Predict first.**"


@rule("heading")
def heading(lesson: Lesson) -> Iterator[Problem]:
    """An exercise is announced with its name, the points of its tests and the minutes it takes."""
    for exercise in exercises(lesson.notebook):
        first, text = _before(lesson, exercise.solution)
        found = list(HEADING.finditer(text))
        wanted = exercise.points(lesson.notebook)
        if not found:
            wrong = ANY_HEADING.search(text)
            line = _line(text, wrong.start()) if wrong else 1
            yield lesson.at(first, f"wanted the heading ### Exercise: `{exercise.name}` ({wanted:g} points, N minutes) "
                                   "right before its solution cell.", line)
            continue
        name, number, _ = found[-1].groups()
        line = _line(text, found[-1].start())
        if name != exercise.name:
            yield lesson.at(first, f"the heading names `{name}`, its solution cell is `{exercise.name}`.", line)
        if float(number) != wanted:
            yield lesson.at(first, f"the heading says {number} points, the tests of `{exercise.name}` give {wanted:g}.",
                            line)


@rule("hints")
def hints(lesson: Lesson) -> Iterator[Problem]:
    """An exercise has three folded hints, in order."""
    for exercise in exercises(lesson.notebook):
        first, text = _before(lesson, exercise.solution)
        start = max((match.start() for match in ANY_HEADING.finditer(text)), default=0)
        found = HINT.findall(text[start:])
        if found != ["1", "2", "3"]:
            yield lesson.at(first, f"`{exercise.name}` has the hints {', '.join(found) or 'none'}; wanted three folded "
                                   "ones, `<details><summary>Hint 1</summary>...</details>`.", _line(text, start))


@rule("predict")
def predict(lesson: Lesson) -> Iterator[Problem]:
    """A section with exercises asks for a prediction first, and folds its answer."""
    asked, section = False, 0
    starts = {exercise.solution: exercise for exercise in exercises(lesson.notebook)}
    reported: set[int] = set()
    for index, cell in lesson.cells():
        if cell.cell_type == "markdown":
            parts = re.split(r"^## ", cell.source, flags=re.MULTILINE)
            if len(parts) > 1:
                asked, section = False, index
            asked = asked or PREDICT in parts[-1]
            for part in cell.source.split(PREDICT)[1:]:
                if "<summary>Answer</summary>" not in part:
                    yield lesson.at(index, f"`{PREDICT}` is not followed by `<details><summary>Answer</summary>`.",
                                    _line(cell.source, cell.source.find(PREDICT)))
                    break
        elif index in starts and not asked and section not in reported:
            reported.add(section)
            yield lesson.at(section, f"the section with `{starts[index].name}` has no `{PREDICT}` question before the "
                                     "exercise.")


@rule("folds")
def folds(lesson: Lesson) -> Iterator[Problem]:
    """Each <details> is closed in its own cell and has a summary."""
    for index, cell in lesson.cells(lambda cell: cell.cell_type == "markdown"):
        text = re.sub(r"`[^`\n]*`", "", cell.source)
        opened, closed = text.count("<details"), text.count("</details>")
        if opened != closed:
            yield lesson.at(index, f"{opened} <details> but {closed} </details> in this cell.")
        if text.count("<summary>") != opened or text.count("</summary>") != opened:
            yield lesson.at(index, "each <details> needs one <summary>...</summary>.")


@rule("points")
def stated_points(lesson: Lesson) -> Iterator[Problem]:
    """The title cell states the points of the whole lesson; a written answer states its own."""
    title = lesson.notebook.cells[0] if lesson.notebook.cells else None
    if title is None or title.cell_type != "markdown" or not title.source.startswith("# "):
        yield lesson.here("a lesson starts with a markdown cell whose first line is its title, `# ...`.")
        return
    total = sum(points(cell) for cell in lesson.notebook.cells)
    stated = [float(left or right) for left, right in TOTAL.findall(title.source)]
    if total not in stated:
        said = f"it says {stated[0]:g}" if stated else "it says none"
        yield lesson.at(0, f"the title cell must state the lesson's {total:g} points; {said}.")
    for index, cell in lesson.cells(is_written):
        stated = [float(number) for number in STATED.findall(f"{_before(lesson, index)[1]}\n{cell.source}")]
        if points(cell) not in stated[-1:]:
            yield lesson.at(index, f"the heading above {grade_id(cell)!r} must state its {points(cell):g} points.")


@rule("covers")
def covers(lesson: Lesson) -> Iterator[Problem]:
    """The recap has one line `Covers: A1, B2` with items of the coverage list."""
    claims = coverage.claims(lesson.notebook)
    if not claims:
        yield lesson.here("the recap needs a line `Covers: A1, A2` with the coverage items that the lesson meets.")
    known, seen = coverage.items(lesson.course), set()
    for claim in claims:
        for code in claim.codes:
            if code not in known:
                yield lesson.at(claim.cell, f"`{code}` is not in the coverage list.", claim.line)
            elif code in seen:
                yield lesson.at(claim.cell, f"`{code}` is claimed twice.", claim.line)
            seen.add(code)


def _before(lesson: Lesson, index: int) -> tuple[int, str]:
    """The markdown cell right before a cell, where an exercise is announced: its index and text."""
    cell = lesson.notebook.cells[index - 1] if index else None
    if cell is None or cell.cell_type != "markdown" or is_written(cell):
        return index, ""
    return index - 1, cell.source


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, max(position, 0)) + 1


