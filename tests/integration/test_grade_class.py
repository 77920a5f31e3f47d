"""A class from source to feedback: the whole cast of a simulation, on a tiny course."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from rich.console import Console
from traitlets.config import Config

from autograder.authoring.build import build
from autograder.course import Course
from autograder.grading import grade
from autograder.reporting import report
from autograder.simulate import differences, simulate

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "unit" / "autograder" / "grading" / "fixtures"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny course, its simulated class graded and reported: (course, out, rows)."""
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(TINY, root, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    course, out = Course(root), root / "out"
    build(course)
    submissions = simulate(course, "01_tiny", out)
    rows = grade(course, "01_tiny", submissions, out, cell_timeout=6, console=Console(file=io.StringIO()))
    report(course, out, console=Console(file=io.StringIO()))
    return course, out, rows


def test_everyone_is_graded_as_expected(tiny):
    _, out, rows = tiny
    assert differences(rows, out) == []
    assert len(rows) == 16


def test_the_table_has_one_row_a_student(tiny):
    _, out, rows = tiny
    with (out / "grades.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [line["student"] for line in table] == [row.student for row in rows]
    assert list(table[0]) == ["student", "unit", "score", "max_score", "status", "reason"]
    assert all(line["reason"] for line in table)


def test_feedback_holds_no_hidden_test(tiny):
    _, out, rows = tiny
    pages = list((out / "feedback").rglob("*.html"))
    assert len(pages) == len(rows)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not [secret for secret in ("1234.5", "2469", "4321", "secret") if secret in text]
    assert "1234.5" not in (out / "report.html").read_text(encoding="utf-8")


def test_nbgraders_own_interface_reads_what_was_graded(tiny):
    _, out, rows = tiny
    config = Config()
    config.CourseDirectory.root = str(out)
    api = NbGraderAPI(CourseDirectory(config=config))
    assert api.get_assignment("01_tiny")["max_score"] == 9
    submissions = {one["student"]: one for one in api.get_submissions("01_tiny")}
    assert {row.student: row.score for row in rows} == {name: one["score"] for name, one in submissions.items()}
    shown = api.get_notebook_submissions("01_tiny", "01_tiny")
    assert len(shown) == 16  # those that the formgrader can open
    for row in rows:
        notebook = nbformat.read(out / "autograded" / row.student / "01_tiny" / "01_tiny.ipynb", as_version=4)
        nbformat.validate(notebook)


def test_stock_nbgrader_exports_the_same_scores(tiny):
    _, out, rows = tiny
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([sys.executable, "-m", "nbgrader", "export", "--to", "exported.csv"], cwd=out, check=True,
                   capture_output=True, env={**os.environ, "PATH": path}, timeout=120)
    with (out / "exported.csv").open() as file:
        exported = {line["student_id"]: float(line["score"]) for line in csv.DictReader(file)}
    assert exported == {row.student: row.score for row in rows}


def test_the_report_shows_everyone_and_links_to_their_pages(tiny):
    _, out, rows = tiny
    html = (out / "report.html").read_text(encoding="utf-8")
    for row in rows:
        assert f'href="feedback/{row.student}/01_tiny/01_tiny.html"' in html
