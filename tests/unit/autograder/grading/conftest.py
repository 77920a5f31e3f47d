"""A tiny built course, and ways to hand in answers to it."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from autograder.authoring.build import build
from autograder.course import Course
from autograder.grading.engine import Engine
from autograder.grading.gradebook import Gradebook
from autograder.grading.lesson import load_lesson
from autograder.grading.limits import Limits

FIXTURES = Path(__file__).parent / "fixtures"
ROOT = Path(__file__).resolve().parents[4]
UNIT = "01_tiny"
RIGHT = {
    "double": "def double(x):\n    return x + x\n",
    "area": "def area(radius):\n    return math.pi * radius * radius\n",
    "total": "def total(xs):\n    return float(sum(2 * x for x in xs))\n",
    "written_why": "Zero is what adding does not change.",
}


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(FIXTURES, root, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    built = Course(root)
    build(built)
    return built


@pytest.fixture(scope="session")
def lesson(course):
    return load_lesson(course, UNIT)


@pytest.fixture(scope="session")
def engine(lesson):
    """Started once: a warm fork for every submission of the tiny lesson."""
    with Engine(lesson, Limits(cell=20)) as engine:
        yield engine


@pytest.fixture(scope="session")
def empty_gradebook(lesson, tmp_path_factory):
    """A new gradebook, made once."""
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    with Gradebook(path, lesson):
        return path


@pytest.fixture
def released(course):
    """A fresh copy of the release notebook."""
    return nbformat.read(course.release(UNIT), as_version=4)


@pytest.fixture
def hand_in(course, tmp_path):
    """hand_in("ann", double="def double...", path=None, edit=function of the notebook) writes a submission."""
    folder = tmp_path / "submitted"

    def write(student, answers=RIGHT, path=None, edit=None, **more):
        notebook = nbformat.read(course.release(UNIT), as_version=4)
        for name, source in {**answers, **more}.items():
            cell_of(notebook, name).source = source
        if edit:
            notebook = edit(notebook) or notebook
        target = folder / (path or f"{student}/{UNIT}/{UNIT}.ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(nbformat.writes(notebook), encoding="utf-8")
        return target

    write.folder = folder
    return write


def cell_of(notebook, grade_id):
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


@pytest.fixture
def tools():
    """What several test modules need, since they cannot import this file."""
    return SimpleNamespace(cell_of=cell_of, RIGHT=RIGHT, UNIT=UNIT, alive=_alive)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
