"""A thousand submissions take the memory of a few, and little time beside what it takes to run them.

What runs a notebook is replaced: everything before and after it is real. Each answer comes back with 200 KB of
outputs, so that whatever keeps notebooks shows.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.authoring.build import build
from autograder.course import Course
from autograder.grading.rows import read_rows

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "unit" / "autograder" / "grading" / "fixtures"
UNIT = "01_tiny"
MORE_MEMORY = 25.0  # MB that 1,000 may take more than 200: names, statuses and sentences, 30 KB each
SECONDS = 0.05  # of processor a submission, for all that is not running it

WORKER = '''
import contextlib, io, json, resource, sys, threading, time
from pathlib import Path
from types import SimpleNamespace

import nbformat
from rich.console import Console

from autograder.course import Course
from autograder.grading import run
from autograder.grading.outcome import Outcome, status_of
from autograder.grading.reading import read_notebook
from autograder.grading.rebuild import rebuild
from autograder.grading.verdicts import Verdict
from autograder.reporting import report

spent, lock = 0.0, threading.Lock()


def grade_one(lesson, submission, engine, stopping=None):
    global spent
    start = time.thread_time()
    rebuilt = rebuild(lesson, read_notebook(submission.path))
    for cell in rebuilt.notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text=submission.student * 4000)]
    verdicts = [Verdict(t.grade_id, t.exercise, "failed", 0, t.points, f"{submission.student} is wrong. " * 20)
                for t in lesson.tests.values()]
    with lock:
        spent += time.thread_time() - start
    return Outcome(submission.student, status_of(verdicts), verdicts, rebuilt.notebook)


no_engine = SimpleNamespace(warm_up=lambda: None)
run.grade_one, run._engine = grade_one, lambda *arguments: contextlib.nullcontext(no_engine)
course, submissions, out = Course(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
quiet = Console(file=io.StringIO())
start = time.process_time()
run.grade(course, "01_tiny", submissions, out, console=quiet)
report(course, out, console=quiet)
seconds = time.process_time() - start - spent
print(json.dumps({"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "seconds": seconds}))
'''


def measured(course: Course, count: int, folder: Path) -> dict:
    """Hand in for `count` students and grade them in a process of its own."""
    notebook = json.loads(course.release(UNIT).read_text(encoding="utf-8"))
    double = next(cell for cell in notebook["cells"] if cell["id"] == "double")
    for number in range(count):
        double["source"] = f"def double(x):\n    return x * {number}\n"
        path = folder / "submitted" / f"student{number:04}" / UNIT / f"{UNIT}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", WORKER, course.root, folder / "submitted", folder / "out"],
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_thousand_submissions(tmp_path, capsys):
    root = tmp_path / "course"
    shutil.copytree(TINY, root)
    shutil.copyfile(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    course = Course(root)
    build(course)
    few, many = (measured(course, count, tmp_path / str(count)) for count in (200, 1000))
    a_submission = (many["seconds"] - few["seconds"]) / 800
    with capsys.disabled():
        print(f"\n200 submissions: {few['mb']:.0f} MB; 1,000: {many['mb']:.0f} MB; "
              f"{1000 * a_submission:.1f} ms of processor each beside running it")
    assert many["mb"] - few["mb"] < MORE_MEMORY
    assert a_submission < SECONDS
    rows = read_rows(tmp_path / "1000" / "out" / "grades.csv")
    assert len(rows) == 1000
    assert len(list((tmp_path / "1000" / "out" / "feedback").glob(f"*/{UNIT}/{UNIT}.html"))) == 1000
