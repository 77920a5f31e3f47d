"""A learner's own folder: copies of the self-study notebooks in work/, opened in JupyterLab."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from autograder.course import Course
from autograder.errors import InfrastructureError
from helpers.files import write_atomically


def copy_notebooks(course: Course) -> list[Path]:
    """Copy every self-study notebook that is not in work/ yet; returns the new ones.

    A file that is there is somebody's work: it is never touched, also when the edition has changed since.
    """
    work = course.root / "work"
    new = []
    for unit in course.units:
        edition, copy = course.selfstudy(unit), work / f"{unit}.ipynb"
        if edition.is_file() and not copy.exists():
            new.append(write_atomically(copy, edition.read_bytes()))
    return new


def open_lab(course: Course, arguments: list[str]) -> int:
    """JupyterLab on work/, with the kernel of the Python that runs this; returns its exit code."""
    work = course.root / "work"
    if not work.is_dir():
        raise InfrastructureError(f"{work} is not there: `course build` makes the notebooks that are copied to it.")
    return subprocess.call([sys.executable, "-m", "jupyterlab", f"--notebook-dir={work}", *arguments])
