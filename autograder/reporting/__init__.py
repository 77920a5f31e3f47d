"""Show an instructor what grading found: a table and a page."""

from autograder.reporting.report import report

__all__ = ["report"]
