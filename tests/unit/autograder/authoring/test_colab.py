"""What a Colab machine is told to install: what lessons need and it lacks, and nothing that its kernel runs on."""

import ast
import sys
from importlib.metadata import packages_distributions

from autograder.authoring.colab import WANTED, Place
from autograder.course import Course

COURSE = Course.find()
# What Colab's own image has, and what runs its kernel: upgrading these in a running session would break it.
COLABS = {"torch", "numpy", "matplotlib", "cycler", "ipywidgets", "ipython", "traitlets", "pillow", "pyarrow", "tqdm",
          "filelock"}


def imported():
    """The distributions that helpers and lessons import."""
    owners = packages_distributions()
    for path in [*COURSE.root.glob("helpers/**/*.py"), *COURSE.root.glob("source/*/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names):
                yield from (owner.lower().replace("_", "-") for owner in owners.get(name, ()))


def test_all_that_is_imported_is_there():
    assert set(imported()) - {"llms-from-the-inside"} <= WANTED | COLABS


def test_nothing_is_installed_that_only_grading_needs_or_that_the_running_kernel_is_made_of():
    names = {line.split(">")[0].split("=")[0] for line in Place.of(COURSE).libraries}
    assert names == WANTED
    assert not WANTED & COLABS
