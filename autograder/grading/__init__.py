"""Grade a class on nbgrader's gradebook: rebuild, run, judge, record, give feedback."""

from autograder.grading.limits import CELL_SECONDS, NOTEBOOK_SECONDS
from autograder.grading.rows import STATUSES, WORDS, Row, read_rows
from autograder.grading.run import grade, refresh

__all__ = ["CELL_SECONDS", "NOTEBOOK_SECONDS", "STATUSES", "WORDS", "Row", "grade", "read_rows", "refresh"]
