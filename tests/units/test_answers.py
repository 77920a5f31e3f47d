"""Every unit's tests take the reference and the right answers, refuse the wrong ones and kill the mutants."""

from pathlib import Path

import pytest

from autograder.authoring.answers import check_answers
from autograder.course import Course

COURSE = Course.find(Path(__file__).parent)
FOLDERS = sorted(path.name for path in (COURSE.root / "source").glob("[0-9][0-9]_*") if path.is_dir())


def test_every_folder_of_source_is_a_unit_that_is_tried():
    assert COURSE.units == FOLDERS
    assert set(FOLDERS) <= set(COURSE.planned_units)


@pytest.mark.slow
@pytest.mark.parametrize("unit", FOLDERS)
def test_answers_of(unit):
    report = check_answers(COURSE, [unit])
    assert report.units[0].exercises, f"{unit} has no exercise"
    assert not report.problems, "\n".join(report.problems)
