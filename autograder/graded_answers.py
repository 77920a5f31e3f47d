"""`course check --graded`: the answer bank once more, as grading runs it: answers behind the wall, tests outside.

A learner's notebook and the grader must agree on every answer: right ones pass, wrong ones fail and are told why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass

from nbformat import NotebookNode
from rich.console import Console

from autograder import cells
from autograder.authoring import percent
from autograder.authoring.bank import Answer, load_bank
from autograder.course import Course
from autograder.errors import AuthorError
from autograder.grading.engine import Engine
from autograder.grading.lesson import Lesson, load_lesson
from autograder.grading.limits import Limits
from autograder.grading.rebuild import Rebuilt
from autograder.grading.verdicts import Verdict, judge


@dataclass(frozen=True)
class Graded:
    """What came of one answer. answer: None for the reference. problem: how grading and the bank disagree, or ""."""

    exercise: str
    answer: str | None
    verdicts: tuple[Verdict, ...]
    problem: str


def report_graded(course: Course, units: list[str], jobs: int, console: Console, wall: str = "auto") -> None:
    """Print a line a unit, and every answer on which grading and the bank disagree.

    Raises AuthorError if there is one, or if a test of the unit was not run by the examiner.
    """
    wrong = 0
    for unit in units:
        tests, answers, run = len(load_lesson(course, unit).tests), 0, set()
        for one in graded_answers(course, unit, jobs, wall):
            answers += one.answer is not None
            if one.problem:
                wrong += 1
                console.print(f"{unit}, {one.exercise}: {one.answer or 'the reference'} {one.problem}", markup=False)
            elif one.answer is None:
                run |= {verdict.test for verdict in one.verdicts}
        console.print(f"{unit}: {answers} answers graded; {len(run)} of {tests} test cells run apart from the answers "
                      f"({len(run) / tests:.0%})")
        wrong += len(run) < tests
    if wrong:
        raise AuthorError(f"{wrong} findings, listed above: grading and the answer bank must agree.")


def graded_answers(course: Course, unit: str, jobs: int = 2, wall: str = "auto",
                   wanted: Callable[[Answer], bool] = lambda answer: True) -> Iterator[Graded]:
    """Grade the reference, and in its place each answer of the bank in turn, with the tests of its exercise."""
    lesson = load_lesson(course, unit)
    reference = with_answers(lesson, percent.read(course.source(unit)))
    with Engine(lesson, Limits(), wall, [course.source(unit)]) as engine:
        verdicts = _verdicts(engine, reference)
        for name in lesson.code_answers:
            own = tuple(verdict for verdict in verdicts if verdict.exercise == name)
            yield Graded(name, None, own, _problem(own, None))
        answers = [answer for answer in load_bank(course, unit).answers if wanted(answer)]
        yield from graded_with(engine, reference, answers, jobs)


def graded_with(engine: Engine, reference: NotebookNode, answers: Iterable[Answer], jobs: int = 1) -> Iterator[Graded]:
    """Grade each answer in its place in `reference`, the notebook of the engine's lesson with every answer right."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda answer: _grade(engine, reference, answer), answers)


def _grade(engine: Engine, reference: NotebookNode, answer: Answer) -> Graded:
    notebook = deepcopy(reference)
    cell = next(cell for cell in notebook.cells if cells.grade_id(cell) == answer.exercise)
    cell.source = answer.source
    found = _verdicts(engine, notebook, answer.exercise)
    verdicts = tuple(verdict for verdict in found if verdict.exercise == answer.exercise)
    return Graded(answer.exercise, answer.name, verdicts, _problem(verdicts, answer))


def _verdicts(engine: Engine, notebook: NotebookNode, only: str | None = None) -> list[Verdict]:
    executed = engine.execute(notebook, only=only)
    return judge(engine.lesson, Rebuilt(notebook, set(engine.lesson.answers), set(), []), executed)


def _problem(verdicts: tuple[Verdict, ...], answer: Answer | None) -> str:
    bad = [verdict for verdict in verdicts if verdict.status != "passed"]
    said = " / ".join(f"{verdict.status}: {verdict.message}" for verdict in bad)
    if answer is None or answer.right:
        return f"is right and was graded as {said}" if bad else ""
    if not bad:
        return "is wrong and passed"
    told = any(answer.says.lower() in verdict.message.lower() for verdict in bad)
    return "" if told else f"is wrong, and nothing says {answer.says!r}: {said}"


def with_answers(lesson: Lesson, answered: NotebookNode) -> NotebookNode:
    """The lesson's notebook with the answers of `answered`, found by grade_id: of its source, or of a submission."""
    sources = {cells.grade_id(cell): cell.source for cell in answered.cells if cells.is_solution(cell)}
    notebook = deepcopy(lesson.notebook)
    for cell in notebook.cells:
        if cells.is_solution(cell):
            cell.source = sources[cells.grade_id(cell)]
    return notebook
