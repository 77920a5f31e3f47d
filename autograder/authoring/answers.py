"""Prove that the tests of every exercise are right: they take the reference and each right answer, and nothing else."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from autograder.authoring import lesson_run
from autograder.course import Course
from autograder.errors import AuthorError, CourseError, InfrastructureError, UsageError

MIN_WRONG = 3
MIN_RIGHT = 1
MIN_KILL_RATE = 0.95


@dataclass
class ExerciseReport:
    """How the tests of one exercise did."""

    name: str
    points: float
    seconds: float
    reference_seconds: float
    reference: bool
    stub: bool = False  # it scores nothing, as it should
    wrong_caught: int = 0
    wrong: int = 0
    right_accepted: int = 0
    right: int = 0
    killed: int = 0
    mutants: int = 0  # tried, without the equivalent ones
    equivalents: int = 0
    survivors: list[str] = field(default_factory=list)
    outputs: int = 0  # output mutants that applied
    outputs_passing: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def kill_rate(self) -> float:
        return self.killed / self.mutants if self.mutants else 1.0


@dataclass
class UnitReport:
    """The exercises of one unit, and what is wrong with its bank as a whole."""

    unit: str
    exercises: list[ExerciseReport] = field(default_factory=list)
    bank_problems: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return self.bank_problems + [f"{self.unit}: {problem}" for one in self.exercises for problem in one.problems]


@dataclass
class AnswersReport:
    """What `check_answers` found; `problems` is empty when every test is right."""

    units: list[UnitReport] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [problem for unit in self.units for problem in unit.problems]


def check_answers(course: Course, units: list[str] | None = None, jobs: int = 2, *, exercises: list[str] | None = None,
                  progress: Callable[[str, ExerciseReport], None] | None = None) -> AnswersReport:
    """Try the answer bank, the mutants and the output mutants of each unit (default: all that have a source).

    jobs: answers tried at a time. exercises: only these. progress: called with (unit, report) after each exercise.
    Raises AuthorError where a lesson or a bank cannot be run at all; what its tests get wrong is in the report.
    """
    report = AnswersReport()
    for unit in course.units if units is None else [course.unit(name) for name in units]:
        here = UnitReport(unit)
        report.units.append(here)
        for data in _tried(course, unit, exercises or [], jobs):
            if "strangers" in data:
                here.bank_problems += data["strangers"]
                continue
            judged = judge(data)
            here.exercises.append(judged)
            if progress:
                progress(unit, judged)
    return report


def judge(data: dict) -> ExerciseReport:
    """The worker's account of one exercise, held against the rules."""
    report = ExerciseReport(data["name"], data["points"], data["seconds"], data["reference_seconds"],
                            data["reference"]["status"] == "passed")
    say = lambda sentence: report.problems.append(f"{report.name}: {sentence}")
    if not data["tests"]:
        say("no test cell follows it.")
    if not report.reference:
        say(f"the reference itself fails: {_quoted(data['reference'])}")
        return report
    if data["again"]["status"] != "passed":
        report.reference = False
        say(f"the reference passes once and fails when its cell and its tests are run again: {_quoted(data['again'])}")
        return report
    report.stub = "passed" not in data["stub"].get("tests", ["killed"])
    if not report.stub:
        say("a test passes on the untouched stub: every test with points must call the answer.")
    _judge_answers(report, data["answers"], say)
    _judge_mutants(report, data, say)
    applied = [one for one in data["outputs"] if one.get("changed") != 0]
    report.outputs = len(applied)
    report.outputs_passing = [one["description"] for one in applied if one["status"] == "passed"]
    for description in report.outputs_passing:
        say(f"its tests pass when the answer returns {description}.")
    return report


def _judge_answers(report: ExerciseReport, answers: list[dict], say: Callable[[str], None]) -> None:
    wrong, right = [a for a in answers if not a["right"]], [a for a in answers if a["right"]]
    report.wrong, report.right = len(wrong), len(right)
    for answer in wrong:
        if answer["status"] == "passed":
            say(f"the wrong answer {answer['name']} passes.")
        elif answer["says"].lower() not in answer["message"].lower():
            say(f"the message for {answer['name']} lacks {answer['says']!r}; it is: {_quoted(answer)}")
        else:
            report.wrong_caught += 1
    for answer in right:
        if answer["status"] == "passed":
            report.right_accepted += 1
        else:
            say(f"the right answer {answer['name']} is refused: {_quoted(answer)}")
    if len(wrong) < MIN_WRONG or len(right) < MIN_RIGHT:
        say(f"the bank has {len(wrong)} wrong and {len(right)} right answers; at least {MIN_WRONG} wrong and "
            f"{MIN_RIGHT} right, written otherwise than the reference, are wanted.")


def _judge_mutants(report: ExerciseReport, data: dict, say: Callable[[str], None]) -> None:
    status = {one["description"]: one["status"] for one in data["mutants"]}
    declared = {one["description"] for one in data["mutants"] if one["declared"]}
    scored = [description for description in status if description not in declared]
    report.mutants, report.equivalents = len(scored), len(declared)
    report.survivors = [description for description in scored if status[description] == "passed"]
    report.killed = report.mutants - len(report.survivors)
    if report.kill_rate < MIN_KILL_RATE:
        say(f"its tests kill {report.killed} of {report.mutants} mutants ({report.kill_rate:.0%}; at least "
            f"{MIN_KILL_RATE:.0%} are wanted). Survivors:" + "".join(f"\n    {one}" for one in report.survivors))
    for one in data["equivalents"]:
        if not one["matches"]:
            say(f"the bank declares equivalent what is no mutant: {one['mutant']!r}.")
        for description in one["matches"]:
            if status[description] != "passed":
                say(f"the bank declares a mutant equivalent that the tests kill: {description}")


def _quoted(result: dict) -> str:
    where = f"\n{result['where']}" if result.get("where") else ""
    return f"{result.get('message') or result['status']}{where}"


def _tried(course: Course, unit: str, exercises: list[str], jobs: int) -> Iterator[dict]:
    command = [sys.executable, "-m", "autograder.authoring.answer_worker", str(course.root), unit, "--jobs", str(jobs)]
    for name in exercises:
        command += ["--exercise", name]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, stdin=subprocess.DEVNULL,
                              env=lesson_run.environment()) as process:
            try:
                for line in process.stdout:
                    data = json.loads(line)
                    if "error" in data:
                        raise _error(data)
                    yield data
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            said.seek(0)
            tail = "\n".join(said.read().decode(errors="replace").strip().splitlines()[-15:])
            raise InfrastructureError(f"The run of {unit} died with exit code {process.returncode}:\n{tail}")


def _error(data: dict) -> CourseError:
    kinds = {kind.exit_code: kind for kind in (AuthorError, InfrastructureError, UsageError)}
    return kinds.get(data["exit_code"], CourseError)(data["error"])


def main() -> int:
    """`python -m autograder.authoring.answers [UNIT...] [--exercise NAME]`: what authors run while they write."""
    from autograder.authoring.answer_report import report_answers

    parser = argparse.ArgumentParser(prog="python -m autograder.authoring.answers", description=__doc__)
    parser.add_argument("units", nargs="*", help="as 04_logits_embeddings, 04 or 4; default: all")
    parser.add_argument("--exercise", action="append", help="only this one; may be given again")
    parser.add_argument("--jobs", type=int, default=2, help="answers tried at a time (default 2)")
    parser.add_argument("--verbose", action="store_true", help="list the surviving mutants where enough were killed")
    given = parser.parse_args()
    try:
        report_answers(Course.find(), given.units or None, given.jobs, exercises=given.exercise,
                       survivors=given.verbose)
    except CourseError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
