"""A key changes with all that a result depends on, and with nothing else."""

import copy
import os
from dataclasses import replace

import pytest

from autograder.grading import keys
from autograder.grading.keys import Keys
from autograder.grading.lesson import Lesson
from autograder.grading.limits import Limits
from autograder.grading.submissions import Submission


@pytest.fixture
def submission(hand_in):
    return Submission("ann", hand_in("ann"))


def test_the_same_gives_the_same(course, lesson, submission):
    key = Keys(course, lesson, Limits()).of(submission)
    os.utime(submission.path, (1, 1))
    assert Keys(course, copy.deepcopy(lesson), Limits()).of(submission) == key
    assert len(key) == 64


def test_another_file_name_note_or_absence_gives_another(course, lesson, submission, tmp_path):
    of = Keys(course, lesson, Limits()).of
    found = {of(submission), of(Submission("ann")), of(Submission("ann", absence="handed in a folder")),
             of(Submission("ann", submission.path, ["the file was renamed"])), of(Submission("bob", submission.path)),
             of(Submission("ann", tmp_path / "gone.ipynb"))}
    submission.path.write_text(submission.path.read_text() + " ")
    assert of(submission) not in found
    assert len(found) == 6


def test_another_lesson_gives_another(course, lesson, submission, tmp_path):
    key = Keys(course, lesson, Limits()).of(submission)
    hidden = copy.deepcopy(lesson.notebook)
    for cell in hidden.cells:
        cell.source = cell.source.replace("1234.5", "1234.75")
    (tmp_path / "beside.csv").write_text("1")
    beside = Lesson(lesson.unit, lesson.notebook, lesson.shown, tmp_path, (tmp_path / "beside.csv",))
    found = {Keys(course, one, Limits()).of(submission)
             for one in (Lesson(lesson.unit, hidden, lesson.shown), Lesson(lesson.unit, lesson.notebook, ()), beside)}
    (tmp_path / "beside.csv").write_text("2")
    found.add(Keys(course, beside, Limits()).of(submission))
    assert len(found | {key}) == 5


def test_other_limits_or_packages_give_another(course, lesson, submission, monkeypatch):
    limits = Limits()
    others = (limits, replace(limits, cell=1), replace(limits, memory=1))
    found = {Keys(course, lesson, one).of(submission) for one in others}
    monkeypatch.setattr(keys.metadata, "version", lambda package: "0")
    found.add(Keys(course, lesson, limits).of(submission))
    assert len(found) == 4
