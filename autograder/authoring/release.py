"""The student edition: what `nbgrader generate_assignment` makes of a lesson, made in this process.

nbgrader's own converter runs on a temporary course folder with the course's nbgrader_config.py. Two things differ
from the command: no gradebook is touched, and all units share one import of nbgrader, which takes seconds.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from nbformat import NotebookNode

from autograder.authoring import percent
from autograder.course import Course
from autograder.errors import AuthorError

IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"}
IMAGE_BYTES = 300_000  # images are committed three times over: in source, release and the self-study edition


def generate(course: Course, notebooks: dict[str, NotebookNode]) -> dict[str, dict[str, bytes] | AuthorError]:
    """For each unit the files of its release folder by name, or why nbgrader could not make them."""
    if not notebooks:
        return {}
    with tempfile.TemporaryDirectory(prefix="release-") as scratch:
        root = Path(scratch).resolve()
        for unit, notebook in notebooks.items():
            folder = root / "source" / unit
            folder.mkdir(parents=True)
            (folder / f"{unit}.ipynb").write_bytes(percent.dumps(notebook))
            for image in images(course, unit):
                shutil.copyfile(image, folder / image.name)
        return {unit: _convert(course, unit, root) for unit in notebooks}


def images(course: Course, unit: str) -> list[Path]:
    """The pictures that lie beside a lesson and travel with it."""
    folder = course.source(unit).parent
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES and path.is_file()
                  and not path.name.startswith("."))


def strangers(course: Course, unit: str) -> list[Path]:
    """Files beside a lesson that nbgrader would hand to students, though they are neither lesson nor picture."""
    folder = course.source(unit).parent
    own = {course.source(unit), course.source_notebook(unit), *images(course, unit)}
    return sorted(path for path in folder.rglob("*") if path.is_file() and path not in own
                  and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts))


def _convert(course: Course, unit: str, root: Path) -> dict[str, bytes] | AuthorError:
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    config = _config(course)
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.assignment_id = unit
    config.GenerateAssignment.no_database = True
    config.SaveCells.enabled = False
    log = _Log()
    try:
        coursedir = CourseDirectory(config=config, log=log.logger)
        GenerateAssignment(coursedir=coursedir, config=config, log=log.logger).start()
    except (NbGraderException, OSError) as error:
        return AuthorError(f"nbgrader cannot make the student edition of {unit}: {log.cause() or error}")
    folder = root / "release" / unit
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file()}


def _config(course: Course):
    from traitlets.config import PyFileConfigLoader

    path = course.root / "nbgrader_config.py"
    if not path.is_file():
        raise AuthorError(f"{course.root} has no nbgrader_config.py: the student edition is made with its settings.")
    return PyFileConfigLoader(path.name, path=str(course.root)).load_config()


class _Log:
    """Keeps what nbgrader logs: it names the cause of a failure there and nowhere else."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.logger = logging.Logger("nbgrader-in-course-build", logging.WARNING)
        handler = logging.Handler()
        handler.emit = lambda record: self.records.append(record.getMessage())
        self.logger.addHandler(handler)

    def cause(self) -> str:
        """The last line of the first traceback, such as `RuntimeError: no end solution statement found`."""
        for text in self.records:
            if text.startswith("Traceback"):
                return text.strip().splitlines()[-1]
        return "; ".join(self.records[:1])
