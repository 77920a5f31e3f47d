"""grades.csv: exact columns, one unit replaced at a time, nothing of others lost."""

import pytest

from autograder.errors import UsageError
from autograder.grading.rows import COLUMNS, STATUSES, WORDS, Row, number, read_rows, worst, write_rows


def test_columns_and_statuses_are_what_the_class_is_promised():
    assert COLUMNS == ["student", "unit", "score", "max_score", "status", "reason"]
    assert set(STATUSES) == {"passed", "failed", "error", "timeout", "memory", "killed", "unreadable", "missing",
                             "tampered"} == set(WORDS)


def test_rows_come_back_as_they_were_written(tmp_path):
    row = Row("Zoë, \"Z\"", "04_x", 2.5, 3, "failed", "a line\nand another, with a comma")
    write_rows(tmp_path / "grades.csv", [row], "04_x")
    assert read_rows(tmp_path / "grades.csv") == [row]
    first = (tmp_path / "grades.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first == "student,unit,score,max_score,status,reason"


def test_only_the_units_own_rows_are_replaced(tmp_path):
    path = tmp_path / "grades.csv"
    other = Row("ann", "01_a", 1, 3, "failed", "")
    write_rows(path, [other], "01_a")
    write_rows(path, [Row("ann", "02_b", 1, 2, "failed", ""), Row("bob", "02_b", 0, 2, "missing", "")], "02_b")
    write_rows(path, [Row("ann", "02_b", 2, 2, "passed", "")], "02_b")
    assert read_rows(path) == [other, Row("ann", "02_b", 2, 2, "passed", "")]


@pytest.mark.parametrize("text", ["name,points\nann,3\n", "student,unit,score,max_score,status,reason\nann,u,x,1,,\n"])
def test_a_table_of_somebody_elses_is_refused_and_kept(tmp_path, text):
    path = tmp_path / "grades.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match="not a table of grades"):
        write_rows(path, [], "01_a")
    assert path.read_text() == text


def test_a_table_saved_by_a_spreadsheet_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "grades.csv"
    path.write_text("\ufeffstudent,unit,score,max_score,status,reason\nann,01_a,1,3,failed,x\n", encoding="utf-8")
    assert read_rows(path)[0].student == "ann"


def test_the_most_telling_status_wins():
    assert worst(["passed", "failed", "timeout", "error"]) == "timeout"
    assert worst(["passed", "passed"]) == "passed"
    assert worst([]) == "error"  # nothing was shown to work


@pytest.mark.parametrize("value, text", [(3.0, "3"), (2.5, "2.5"), (0, "0"), (10, "10"), (1 / 3, "0.33")])
def test_points_are_written_as_a_person_would(value, text):
    assert number(value) == text
