"""What the demo may take away; the demo as a whole is `make demo`."""

import pytest

from autograder.course import Course
from autograder.demo import demo
from autograder.errors import UsageError


def test_a_folder_with_real_grades_is_left_alone(tmp_path):
    (tmp_path / "gradebook.db").write_text("real")
    with pytest.raises(UsageError, match="not a demo's"):
        demo(Course(tmp_path), tmp_path)
    assert (tmp_path / "gradebook.db").read_text() == "real"
