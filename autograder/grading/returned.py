"""The notebook of autograded/: the release with the student's answers, and what grading says under each test.

It is made from the release, not from what ran: neither a hidden line nor anything that a run printed can be in it, so
that also `nbgrader generate_feedback` and the formgrader may show all of it to the student.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import nbformat
from nbformat import NotebookNode

from autograder import cells
from autograder.grading.lesson import Lesson
from autograder.grading.rows import WORDS
from autograder.grading.verdicts import Verdict


def returned(lesson: Lesson, answers: Mapping[str, str], verdicts: list[Verdict], problem: str = "") -> NotebookNode:
    """answers: grade_id -> source. problem: why nothing could be run; it stands on top of the untouched lesson.

    What is not changed is the lesson's own: copying it for every student would cost more than all the rest.
    """
    verdict_of = {verdict.test: verdict for verdict in verdicts}
    shown = {cells.grade_id(cell): cell for cell in lesson.shown if cells.is_test(cell)}
    found = [nbformat.v4.new_markdown_cell(f"**Not graded.** {problem}", id="not_graded")] if problem else []
    for original in lesson.notebook.cells:
        name = cells.grade_id(original)
        cell = NotebookNode(shown[name] if cells.is_test(original) else original)
        if cells.is_test(cell):
            verdict = verdict_of.get(name)
            cell.outputs = [_output(verdict)] if verdict and verdict.status != "passed" and not problem else []
        elif name in answers and cells.is_solution(cell):
            cell.source = answers[name]
        found.append(cell)
    notebook = NotebookNode(lesson.notebook)
    notebook.cells = found
    return notebook


def as_text(notebook: NotebookNode) -> str:
    """What nbformat.writes makes of it, without two copies and a validation of every cell."""
    lines = {**notebook, "cells": [{**cell, "source": cell.source.splitlines(True)} for cell in notebook.cells]}
    return json.dumps(lines, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _output(verdict: Verdict) -> NotebookNode:
    """An error, as nbgrader expects under a test that gives no points; its text is ours."""
    name, text = WORDS[verdict.status].capitalize(), verdict.message or WORDS[verdict.status]
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])
