"""The golden course in a folder of its own, with the settings of the real one."""

import shutil
from pathlib import Path

import pytest

from autograder.course import Course

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def golden(tmp_path) -> Course:
    folder = tmp_path / "course"
    shutil.copytree(ROOT / "tests" / "golden" / "course", folder)
    for name in ("nbgrader_config.py", "jupytext.toml"):
        shutil.copy(ROOT / name, folder)
    return Course(folder)


@pytest.fixture
def edit(golden):
    """edit(old, new): change the golden lesson, which must contain `old`."""

    def change(old: str, new: str) -> None:
        path = golden.source("01_tiny")
        text = path.read_text(encoding="utf-8")
        assert old in text, old
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change
