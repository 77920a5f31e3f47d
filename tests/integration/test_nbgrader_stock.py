"""nbgrader's own commands work on what `course build` makes, with nothing of this project around them.

One golden course goes through all of them in order: generate_assignment, validate, autograde, generate_feedback.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.build import build
from autograder.course import Course

ROOT = Path(__file__).resolve().parents[2]
ANSWER = """\
def mean(values):
    if not values:
        raise ValueError("no values")
    return sum(values) / len(values)"""
SECRETS = ("an empty list has no mean", "depends on the size of every number")  # of the two solutions
HIDDEN = "negative numbers count too"


def stock(course: Course, *command: str, fails: bool = False) -> str:
    """Run `nbgrader ...` in the course folder as a person would; give back what it said."""
    environment = os.environ | {
        # nbgrader calls alembic by name; the kernel must be this environment's too.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_DIR": str(course.root / ".jupyter"),
        "JUPYTER_DATA_DIR": str(course.root / ".jupyter"),
        "IPYTHONDIR": str(course.root / ".ipython"),
    }
    done = subprocess.run([sys.executable, "-m", "nbgrader", *command], cwd=course.root, env=environment, timeout=300,
                          capture_output=True, text=True, check=False)
    assert fails or done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def submit(course: Course, student: str, answer: str | None) -> Path:
    """Hand in the release notebook, with `answer` in place of the stub."""
    folder = course.root / "submitted" / student / "01_tiny"
    folder.mkdir(parents=True)
    notebook = nbformat.read(course.release("01_tiny"), as_version=4)
    for cell in notebook.cells:
        if answer and cell.id == "mean":
            cell.source = answer
        if answer and cell.id == "written_median":
            cell.source = "Only the order counts for the median."
    nbformat.write(notebook, folder / "01_tiny.ipynb")
    return folder / "01_tiny.ipynb"


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Course:
    """The golden course as `course build` leaves it."""
    folder = tmp_path_factory.mktemp("stock") / "course"
    shutil.copytree(ROOT / "tests" / "golden" / "course", folder)
    for name in ("nbgrader_config.py", "jupytext.toml"):
        shutil.copy(ROOT / name, folder)
    build(Course(folder))
    return Course(folder)


@pytest.fixture(scope="module")
def released(built) -> tuple[Course, dict[str, bytes]]:
    """The course after `nbgrader generate_assignment`, and the release folder as it was before."""
    before = files(built.root / "release")
    stock(built, "generate_assignment", "01_tiny", "--force")
    return built, before


@pytest.fixture(scope="module")
def graded(released) -> Course:
    """Handed in by two students, graded, feedback written."""
    course, _ = released
    submit(course, "ada", ANSWER)
    submit(course, "bob", None)
    stock(course, "autograde", "01_tiny")
    stock(course, "generate_feedback", "01_tiny")
    return course


def test_generate_assignment_makes_the_very_same_files(released):
    course, before = released
    assert files(course.root / "release") == before
    assert set(before) == {"01_tiny/01_tiny.ipynb", "01_tiny/two_heaps.svg"}


def test_validate(released):
    course, _ = released
    said = stock(course, "validate", "release/01_tiny/01_tiny.ipynb", fails=True)
    assert "VALIDATION FAILED ON 2 CELL(S)" in said  # the test, and the answer in words
    assert "Write your answer here, then delete this line." in said
    assert "Success!" in stock(course, "validate", "source/01_tiny/01_tiny.ipynb")


def test_autograde_gives_what_was_earned(graded):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded.root}/gradebook.db") as gradebook:
        scores = {student: {grade.name: (grade.auto_score, grade.max_score, grade.needs_manual_grade)
                            for grade in gradebook.find_submission_notebook("01_tiny", "01_tiny", student).grades}
                  for student in ("ada", "bob")}
    assert scores["ada"] == {"test_mean": (3, 3, False), "written_median": (None, 1, True)}
    assert scores["bob"] == {"test_mean": (0, 3, False), "written_median": (0, 1, False)}


def test_no_solution_and_no_source_where_students_code_runs(graded):
    """Hidden tests are in the graded notebook, since stock nbgrader runs them there, and nowhere else."""
    for name in ("release", "autograded", "feedback"):
        for path, data in files(graded.root / name).items():
            assert not path.endswith((".py", ".pyc")), path
            text = data.decode("utf-8", errors="replace")
            assert not any(secret in text for secret in SECRETS), path
            assert "BEGIN SOLUTION" not in text, path
            assert HIDDEN not in text or name != "release", path
    assert set(files(graded.root / "autograded")) == {
        f"{student}/01_tiny/{file}" for student in ("ada", "bob") for file in ("01_tiny.ipynb", "two_heaps.svg")}


def test_feedback_for_everyone(graded):
    pages = {path for path in files(graded.root / "feedback") if path.endswith(".html")}
    assert pages == {"ada/01_tiny/01_tiny.html", "bob/01_tiny/01_tiny.html"}
