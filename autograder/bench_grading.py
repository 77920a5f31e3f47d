"""Grading measured: `make bench-grading`, or `python -m autograder.bench_grading --unit 02 --students 30`.

Stock `nbgrader autograde` and `course grade` grade the same submissions in one run on this machine, each command in
a process of its own, imports, start-up, gradebook and feedback included. Compared with both is the pure compute time:
the answers' and tests' cells in one process in which everything is imported and loaded already. Only ratios mean
something on a busy machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

from autograder import cells
from autograder.authoring import lesson_run
from autograder.authoring.bank import load_bank
from autograder.cast import Cast, Student
from autograder.course import Course
from autograder.graded_answers import with_answers
from autograder.grading.engine import Engine
from autograder.grading.lesson import NOT_RUN, Lesson, load_lesson
from autograder.grading.limits import Limits
from autograder.grading.steps import TEST
from autograder.grading.watch import family
from autograder.simulate import write_submission

_COMPUTE = """
import json, sys, time
from pathlib import Path
from autograder.authoring import lesson_run
from autograder.cells import is_solution, is_test
from autograder.course import Course
from autograder.single_thread import one_thread_only

course, unit = Course(Path(sys.argv[1])), sys.argv[2]
lesson = lesson_run.Lesson(unit, lesson_run.read_lesson(course, unit))
one_thread_only()
indices = [i for i in range(len(lesson.notebook.cells)) if lesson.runs(i)]
for i in indices:
    lesson.run_cell(i)
start = time.perf_counter()
for i in indices:
    if is_solution(lesson.notebook.cells[i]) or is_test(lesson.notebook.cells[i]):
        lesson.run_cell(i)
print(json.dumps(time.perf_counter() - start))
"""


def well_behaved(course: Course, lesson: Lesson, n: int) -> list[Student]:
    """Students that stock nbgrader grades too: right, differently right, half done, and with a few mistakes."""
    cast = Cast(course, lesson, load_bank(course, lesson.unit), seed=0)
    found = [cast.perfect(), cast.other_ways(), cast.half_done()]
    return [*found, *(cast.partly(f"student_{i:03d}", 1 + i % 3) for i in range(len(found), n))][:n]


def bench(course: Course, unit: str, n: int) -> dict:
    """Seconds a submission, by arm; see the keys. Raises RuntimeError if an arm fails or grades differ."""
    lesson = load_lesson(course, unit)
    students = well_behaved(course, lesson, n)
    with tempfile.TemporaryDirectory(prefix="bench-grading-") as folder:
        scratch = Path(folder)
        submissions = scratch / "submitted"
        for student in students:
            write_submission(student, submissions, lesson)
        names = [student.name for student in students]
        found: dict = {"students": n, "compute": _compute(course, unit)}
        _say("stock nbgrader, one notebook after the other")
        found["stock"], stock = _stock(course, unit, submissions, [names], scratch / "stock")
        _say("stock nbgrader, two processes")
        found["stock 2"], _ = _stock(course, unit, submissions, [names[::2], names[1::2]], scratch / "stock2")
        for jobs in (1, 2):
            _say(f"course grade --jobs {jobs}")
            found[f"ours {jobs}"], ours = _ours(unit, submissions, scratch / f"ours{jobs}", jobs)
            wrong = {name: (stock[name], ours[name]) for name in names if stock[name] != ours[name]}
            if wrong:
                raise RuntimeError(f"the two give other scores (stock, ours): {wrong}")
        _say("inside one submission, and the memory of a kernel")
        found |= _inside(lesson, course, unit, submissions, names)
        found["memory, cold kernel"] = _cold_memory(course, unit)
    return found


def _stock(course: Course, unit: str, submissions: Path, groups: list[list[str]],
           root: Path) -> tuple[float, dict[str, float]]:
    """Seconds and scores of `nbgrader autograde` and `generate_feedback`; each group in a process and course of its
    own, since SQLite has one writer."""
    roots = [root / str(number) for number in range(len(groups))]
    for place, names in zip(roots, groups, strict=True):
        shutil.copytree(course.root / "source" / unit, place / "source" / unit)
        shutil.copy(course.root / "nbgrader_config.py", place)
        _graded_cells_only(place / "source" / unit / f"{unit}.ipynb")
        _run(place, "generate_assignment", unit, "--create")
        for name in names:
            source = next((submissions / name).rglob("*.ipynb"))
            target = place / "submitted" / name / unit / f"{unit}.ipynb"
            target.parent.mkdir(parents=True)
            shutil.copy(source, target)
            _graded_cells_only(target)

    def grade(place: Path) -> None:
        _run(place, "autograde", unit)
        _run(place, "generate_feedback", unit)

    start = time.perf_counter()
    with ThreadPoolExecutor(len(roots)) as pool:
        list(pool.map(grade, roots))
    seconds = time.perf_counter() - start
    scores: dict[str, float] = {}
    for place in roots:
        scores |= _scores(place / "gradebook.db", unit)
    return seconds, scores


def _graded_cells_only(path: Path) -> None:
    """Without demonstrations, which `course grade` does not run: stock nbgrader can leave out one tag only."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not NOT_RUN & set(cells.tags(cell))]
    nbformat.write(notebook, path)


def _run(place: Path, *command: str) -> None:
    scripts = Path(sys.executable).parent
    environment = lesson_run.environment() | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
                                              "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run([sys.executable, "-m", "nbgrader", *command], cwd=place, env=environment,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"nbgrader {command[0]} failed: {done.stderr.strip()[-600:]}")


def _ours(unit: str, submissions: Path, out: Path, jobs: int) -> tuple[float, dict[str, float]]:
    command = [sys.executable, "-m", "autograder.cli", "grade", unit, "--submissions", str(submissions), "--out",
               str(out), "--jobs", str(jobs)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"course grade failed: {done.stderr.strip()[-600:]}")
    return time.perf_counter() - start, _scores(out / "gradebook.db", unit)


def _scores(path: Path, unit: str) -> dict[str, float]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{path}") as book:
        return {one.student.id: sum(grade.auto_score or 0 for notebook in one.notebooks for grade in notebook.grades)
                for one in book.assignment_submissions(unit)}


def _compute(course: Course, unit: str) -> float:
    """Seconds of the answers' and tests' cells in a process that has run the whole lesson once."""
    _say("pure compute")
    done = subprocess.run([sys.executable, "-c", _COMPUTE, str(course.root), unit], env=lesson_run.environment(),
                          capture_output=True, text=True, check=False, cwd=course.source(unit).parent)
    if done.returncode:
        raise RuntimeError(f"the lesson does not run: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _inside(lesson: Lesson, course: Course, unit: str, submissions: Path, names: list[str]) -> dict:
    """Where the time of one submission goes, in seconds, as a mean; and what a student's process has for itself."""
    notebooks = [with_answers(lesson, nbformat.read(next((submissions / name).rglob("*.ipynb")), as_version=4))
                 for name in names]
    with Engine(lesson, Limits(), never=[course.source(unit)]) as engine:
        start = time.perf_counter()
        engine.execute(notebooks[0])
        first = time.perf_counter() - start
        start = time.perf_counter()
        done = [engine.execute(notebook) for notebook in notebooks]
        whole = (time.perf_counter() - start) / len(done)
        tests = {step.index for step in engine.steps if step.kind == TEST}
        kinds = {"tests": tests, "answer cells": {step.index for step in engine.steps} - tests}
        spent = {kind: sum(reply.seconds for one in done for index, reply in one.replies.items() if index in wanted)
                 / len(done) for kind, wanted in kinds.items()}
        peak = _sampled(lambda: engine.execute(notebooks[0]), lambda: _newest_fork(engine.zygote.pid))
    return {"start-up": first - whole, **spent, "fork, box, end": whole - sum(spent.values()),
            "memory, warm fork": peak}


def _newest_fork(zygote: int) -> list[int]:
    """The student's process: of all forks of the zygote it is the one that was made last."""
    forks = []
    for pid in family([zygote]):
        with contextlib.suppress(OSError):
            if b"autograder.grading.zygote" in Path(f"/proc/{pid}/cmdline").read_bytes():
                forks.append(pid)
    return [max(forks)] if len(forks) > 2 else []  # of three: the zygote, the keeper, the student's


def _cold_memory(course: Course, unit: str) -> int:
    """The same of a kernel as stock nbgrader starts it."""
    from nbclient import NotebookClient

    notebook = nbformat.read(course.source_notebook(unit), as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not NOT_RUN & set(cells.tags(cell))]
    client = NotebookClient(notebook, timeout=600, kernel_name="python3",
                            resources={"metadata": {"path": str(course.source(unit).parent)}})

    def pids() -> list[int]:
        return [client.km.provisioner.pid] if client.km is not None and client.km.provisioner else []

    before, os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS"), "1"
    try:
        return _sampled(client.execute, pids)
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def _sampled(work: Callable[[], object], pids: Callable[[], list[int]]) -> int:
    """The most anonymous memory, in bytes, that the last of `pids` shared with nobody while `work` ran."""
    peak, done = 0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(0.05):
            for pid in pids():
                peak = max(peak, _unshared(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return peak


def _unshared(pid: int) -> int:
    """Private pages of anonymous mappings: those of a fork that it has written to, all of a cold process's."""
    total = anonymous = private = 0
    try:
        lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    except OSError:
        return 0
    for line in [*lines, "0-0 end"]:
        name, _, value = line.partition(":")
        if name == "Anonymous":
            anonymous = int(value.split()[0])
        elif name in ("Private_Dirty", "Private_Clean"):
            private += int(value.split()[0])
        elif " " in name or not value:  # the next mapping begins
            total += min(anonymous, private)
            anonymous = private = 0
    return total << 10


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr)


def table(unit: str, found: dict) -> str:
    """Markdown."""
    n, compute = found["students"], found["compute"]
    lines = [f"{unit}, {n} submissions; pure compute {compute:.2f} s a submission", "",
             "| | s in all | s a submission | throughput | wall-clock to pure compute |", "|---|--:|--:|--:|--:|"]
    arms = {"stock": "`nbgrader autograde`", "stock 2": "the same, two processes", "ours 1": "`course grade --jobs 1`",
            "ours 2": "`course grade --jobs 2`"}
    for key, label in arms.items():
        seconds = found[key]
        lines.append(f"| {label} | {seconds:.1f} | {seconds / n:.2f} | {found['stock'] / seconds:.1f} x "
                     f"| {seconds / n / compute:.2f} |")
    lines += ["", "| one submission of `course grade --jobs 1` | s |", "|---|--:|"]
    lines += [f"| {name} | {found[name]:.2f} |" for name in ("answer cells", "tests", "fork, box, end")]
    lines += [f"| once for the class: libraries, model, the lesson's own cells | {found['start-up']:.2f} |", "",
              "Anonymous memory that a process shares with nobody, at its most: warm fork "
              f"{found['memory, warm fork'] >> 20} MB, cold kernel {found['memory, cold kernel'] >> 20} MB."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unit", default="02")
    parser.add_argument("--students", type=int, default=30, help="a class, by default")
    given = parser.parse_args()
    course = Course.find()
    unit = course.unit(given.unit)
    found = bench(course, unit, given.students)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}\n")
    print(table(unit, found))


if __name__ == "__main__":
    main()
