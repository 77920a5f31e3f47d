import pytest
from rich.console import Console

from autograder.course import Course
from autograder.errors import UsageError
from autograder.reporting import report


def test_without_grades_it_says_what_to_run(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.course]\n")
    with pytest.raises(UsageError, match="course grade"):
        report(Course(tmp_path), tmp_path / "out", console=Console(quiet=True))
