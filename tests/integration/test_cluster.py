"""The same class on Dask workers: a LocalCluster of two processes, and what is said where there is none."""

import csv
import io
import shutil
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from autograder.authoring.build import build
from autograder.course import Course
from autograder.errors import UsageError
from autograder.grading import grade

ROOT = Path(__file__).resolve().parents[2]
UNIT = "01_tiny"
RIGHT = ("def mean(values):\n    if not values:\n        raise ValueError('none')\n"
         "    return sum(values) / len(values)")
ANSWERS = {"ada": RIGHT, "bob": "def mean(values):\n    return 0.0", "cy": "import os\nos._exit(1)",
           "dee": "def mean(values):\n    while True: pass"}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("cluster") / "course"
    shutil.copytree(ROOT / "tests" / "golden" / "course", root)
    for name in ("nbgrader_config.py", "jupytext.toml"):
        shutil.copy(ROOT / name, root)
    build(Course(root))
    for student, answer in ANSWERS.items():
        notebook = nbformat.read(Course(root).release(UNIT), as_version=4)
        next(cell for cell in notebook.cells if cell.id == "mean").source = answer
        target = root / "submitted" / student / UNIT / f"{UNIT}.ipynb"
        target.parent.mkdir(parents=True)
        nbformat.write(notebook, target)
    return Course(root)


def run(course, out, **options):
    rows = grade(course, UNIT, course.root / "submitted", out, cell_timeout=5, console=Console(file=io.StringIO()),
                 **options)
    with (out / "grades.csv").open(encoding="utf-8") as file:
        return {row.student: (row.score, row.status) for row in rows}, list(csv.reader(file))


def test_workers_give_the_grades_that_this_machine_gives(course, tmp_path):
    from distributed import LocalCluster

    alone = run(course, tmp_path / "alone", jobs=2)
    assert {student: status for student, (_, status) in alone[0].items()} == {
        "ada": "passed", "bob": "failed", "cy": "killed", "dee": "timeout"}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        assert run(course, tmp_path / "workers", scheduler=cluster.scheduler_address) == alone


def test_no_scheduler_is_one_clear_sentence(course, tmp_path):
    with pytest.raises(UsageError, match=r"no Dask scheduler at tcp://127.0.0.1:9 .*wanted an address"):
        run(course, tmp_path / "none", scheduler="tcp://127.0.0.1:9")


def test_a_scheduler_without_workers_is_one_clear_sentence(course, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address=None) as cluster, \
            pytest.raises(UsageError, match=r"has no workers: start one with `dask worker"):
        run(course, tmp_path / "none", scheduler=cluster.scheduler_address)
