"""Finding the course and naming its units."""

import pytest

from autograder.course import Course
from autograder.errors import UsageError


@pytest.fixture
def course(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.course]\nrepository = "a/b"\nunits = ["01_first", "04_fourth"]\n')
    for unit in ("04_fourth", "01_first"):
        (tmp_path / "source" / unit).mkdir(parents=True)
        (tmp_path / "source" / unit / f"{unit}.py").touch()
    (tmp_path / "source" / "04_fourth" / "other.py").touch()
    return Course(tmp_path)


def test_units_are_those_that_have_a_source_in_order(course):
    assert course.units == ["01_first", "04_fourth"]


@pytest.mark.parametrize("name", ["04_fourth", "04", "4", " 04_fourth/ "])
def test_a_unit_may_be_named_by_its_number(course, name):
    assert course.unit(name) == "04_fourth"


@pytest.mark.parametrize("name", ["4_fourth", "05", "fourth", ""])
def test_an_unknown_unit_is_told_which_there_are(course, name):
    with pytest.raises(UsageError, match="01_first, 04_fourth"):
        course.unit(name)


def test_the_course_is_found_from_any_folder_below(course):
    assert Course.find(course.root / "source" / "01_first") == course


def test_the_environment_overrides_the_repository(course, monkeypatch):
    assert course.repository == "a/b"
    monkeypatch.setenv("COURSE_REPOSITORY", "my/fork")
    assert course.repository == "my/fork"
