"""Make `expected/` anew from `course/`, after a wanted change of the authoring tools: python tests/golden/update.py"""

import shutil
import tempfile
from pathlib import Path

from autograder.authoring.build import build
from autograder.course import Course

here = Path(__file__).resolve().parent
with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch) / "course"
    shutil.copytree(here / "course", folder)
    shutil.copy(here.parents[1] / "nbgrader_config.py", folder)
    build(Course(folder))
    shutil.rmtree(here / "expected", ignore_errors=True)
    for name in ("release", "notebooks"):
        shutil.copytree(folder / name, here / "expected" / name)
