"""The process that tries the answers of one unit: runs the lesson once and forks at each exercise.

`answers.check_answers` starts it, with one thread a library, and reads a line of JSON per exercise from its stdout:
what happened, without judging it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

from autograder.authoring import lesson_run
from autograder.authoring.bank import Bank, load_bank
from autograder.authoring.forked import Task, run_forked
from autograder.authoring.lesson_run import Lesson, told, trace
from autograder.authoring.mutants import Mutant, choose, mutants
from autograder.authoring.output_mutants import OUTPUT_MUTANTS, OutputMutant, wrap
from autograder.cells import Exercise, exercises
from autograder.course import Course
from autograder.errors import AuthorError, CourseError
from autograder.single_thread import assert_one_thread, one_thread_only

MAX_MUTANTS = 60  # per exercise, besides those that the bank declares equivalent


def try_answers(course: Course, unit: str, only: list[str], jobs: int, send) -> None:
    """Run the lesson; `send` a dict for each exercise (all, or those named in `only`)."""
    lesson = Lesson(unit, lesson_run.read_lesson(course, unit))
    bank = load_bank(course, unit)
    found = exercises(lesson.notebook)
    names = [exercise.name for exercise in found]
    for name in only:
        if name not in names:
            raise AuthorError(f"Unit {unit} has no exercise {name!r}; it has: {', '.join(names)}.")
    send({"exercises": names, "strangers": bank.strangers(names)})
    wanted = [exercise for exercise in found if not only or exercise.name in only]
    last = max((exercise.solution for exercise in wanted), default=-1)
    tests = {index for exercise in found for index in exercise.tests}
    by_solution = {exercise.solution: exercise for exercise in wanted}
    one_thread_only()
    os.chdir(course.source(unit).parent)
    for index in range(last + 1):
        if index in tests or not lesson.runs(index):
            continue
        lesson.run_cell(index)
        if index in by_solution:
            send(_try_exercise(lesson, by_solution[index], bank, jobs))


def _try_exercise(lesson: Lesson, exercise: Exercise, bank: Bank, jobs: int) -> dict:
    began = time.monotonic()
    tests = [lesson.compiled(lesson.notebook.cells[i].source, lesson.label(i)) for i in exercise.tests]
    source = lesson.notebook.cells[exercise.solution].source
    report: dict[str, Any] = {"name": exercise.name, "points": exercise.points(lesson.notebook), "tests": len(tests)}

    # The reference goes first, here: what the tests load and warm up, the forks then share.
    before, cpu = dict(lesson.namespace), time.process_time()
    report["reference"] = _verdict(lesson, tests)
    cpu = time.process_time() - cpu
    after = dict(lesson.namespace)
    lesson.namespace.clear()
    lesson.namespace.update(before)

    if report["reference"]["status"] == "passed":
        assert_one_thread(f"before {exercise.name}")
        report |= _try_candidates(lesson, exercise.name, source, tests, bank, cpu, jobs)
    lesson.namespace.clear()
    lesson.namespace.update(after)
    return {**report, "reference_seconds": cpu, "seconds": time.monotonic() - began}


def _try_candidates(lesson: Lesson, name: str, source: str, tests: list[CodeType], bank: Bank, cpu: float,
                    jobs: int) -> dict:
    patient, brisk = 20 + 10 * cpu, 3 + 4 * cpu  # an answer of the bank is given more time than a mutant
    answers = [answer for answer in bank.answers if answer.exercise == name]
    every = mutants(source, modules=lesson.modules, filename=f"<{name}>")
    declared = {m.description for m in every if any(e.matches(m.description) for e in bank.equivalent(name))}
    tried = choose([m for m in every if m.description not in declared], MAX_MUTANTS)
    tried += [m for m in every if m.description in declared]
    is_function = callable(lesson.namespace.get(name)) and not isinstance(lesson.namespace[name], type)
    outputs = OUTPUT_MUTANTS if is_function else []

    texts = [source, stub(source), *(answer.source for answer in answers)]
    runs = [*(Task(partial(_run_text, lesson, name, text, tests), patient) for text in texts),
            *(Task(partial(_run_spoilt, lesson, name, mutant, tests), brisk) for mutant in outputs),
            *(Task(partial(_run_mutant, lesson, mutant, tests), brisk) for mutant in tried)]
    by_index = dict(run_forked(runs, jobs))
    results = iter([by_index[index] for index in range(len(runs))])
    return {
        "again": next(results),  # the reference once more: the control without which every mutant might seem killed
        "stub": next(results),
        "answers": [{"name": a.name, "right": a.right, "says": a.says, **next(results)} for a in answers],
        "outputs": [{"description": m.description, **next(results)} for m in outputs],
        "mutants": [{"description": m.description, "declared": m.description in declared, **next(results)}
                    for m in tried],
        "mutants_found": len(every),
        "equivalents": [{"mutant": e.mutant, "why": e.why,
                         "matches": [m.description for m in every if e.matches(m.description)]}
                        for e in bank.equivalent(name)],
    }


# These three run in a forked child: what they do to the namespace ends with it.

def _run_text(lesson: Lesson, name: str, text: str, tests: list[CodeType]) -> dict:
    try:
        lesson.execute(text, name)
    except BaseException as error:
        return {"status": "error", "message": told(error), "where": trace(error), "tests": ["error"]}
    return _verdict(lesson, tests)


def _run_mutant(lesson: Lesson, mutant: Mutant, tests: list[CodeType]) -> dict:
    lesson.execute_code(mutant.code)
    return _verdict(lesson, tests, to_the_end=False)


def _run_spoilt(lesson: Lesson, name: str, mutant: OutputMutant, tests: list[CodeType]) -> dict:
    wrapped = wrap(lesson.namespace[name], mutant)
    lesson.namespace[name] = wrapped.function
    return {**_verdict(lesson, tests, to_the_end=False), "changed": wrapped.changed[0]}


def _verdict(lesson: Lesson, tests: list[CodeType], *, to_the_end: bool = True) -> dict:
    # Each test cell is its own: one that fails does not keep the next from running.
    statuses, messages, places = [], [], []
    for code in tests:
        try:
            lesson.execute_code(code)
            statuses.append("passed")
        except BaseException as error:
            statuses.append("failed" if isinstance(error, AssertionError) else "error")
            messages.append(told(error))
            places.append(trace(error))
            if not to_the_end:
                break
    bad = [status for status in statuses if status != "passed"]
    return {"status": bad[0] if bad else "passed", "tests": statuses, "message": "\n".join(messages)[:4000],
            "where": "\n".join(places)[:4000]}


def stub(source: str) -> str:
    """A solution cell as nbgrader gives it to students, with the course's own words in place of the answer."""
    from nbformat.v4 import new_code_cell
    from nbgrader.preprocessors import ClearSolutions

    clear = ClearSolutions(code_stub={"python": STUB})
    cell = new_code_cell(source)
    clear._replace_solution_region(cell, "python")
    return cell.source


STUB = '# YOUR CODE HERE\nraise NotImplementedError("Write your answer here, then delete this line.")'


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("unit")
    parser.add_argument("--exercise", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the lesson prints must not get between the lines of the report

    def send(data: dict) -> None:
        print(json.dumps(data), file=lines, flush=True)

    try:
        try_answers(Course(given.root), given.unit, given.exercise, given.jobs, send)
    except CourseError as error:
        send({"error": str(error), "exit_code": error.exit_code})
    return 0


if __name__ == "__main__":
    sys.exit(main())
