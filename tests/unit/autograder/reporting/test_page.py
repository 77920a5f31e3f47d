"""report.html stands alone, says what its drawings show, and trusts nobody's text."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from autograder.grading.rows import Row
from autograder.reporting.page import feedback_link, render
from autograder.reporting.summary import ENDINGS, ExerciseSummary, Message, UnitSummary


@pytest.fixture
def page():
    rows = [Row("Zoë & co", "u", 4, 4, "passed", "All 3 tests passed."),
            Row("<script>", "u", 1, 4, "failed", "a is not right yet: <img src=x>.")]
    counts = dict.fromkeys(ENDINGS, 0) | {"passed": 1, "not right yet": 1}
    messages = [Message("mind `dim` <b>", ("<script>",), True)]
    exercises = [ExerciseSummary("softmax", 2, counts, messages), ExerciseSummary("other", 2, counts, [])]
    return render([UnitSummary("u", "Things", rows, exercises, [0, 0, 1, 0, 0, 0, 0, 0, 0, 1], 0, [])], "A course")


def test_nothing_is_loaded_and_nothing_runs(page):
    assert not re.search(r"<(script|link|img|iframe)\b", page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
    assert "url(" not in page


def test_drawings_have_words_and_are_well_formed(page):
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 2
    labels = [ElementTree.fromstring(drawing).get("aria-label") for drawing in drawings]
    assert labels == ["Histogram of scores: 1 between 20 and 30 %, 1 between 90 and 100 %.",
                      "Part of the class that passed each exercise: softmax 50 %; other 50 %."]


def test_messages_students_and_links(page):
    assert "mind <code>dim</code> &lt;b&gt;" in page
    assert "(hidden test)" in page
    assert "Zoë &amp; co" in page
    assert 'href="feedback/Zo%C3%AB%20%26%20co/u/u.html"' in page
    assert feedback_link("a/b", "u") == "feedback/a/b/u/u.html"


def test_it_follows_light_and_dark(page):
    assert "prefers-color-scheme: dark" in page


def test_a_class_without_anyone_is_drawn_too():
    assert "nobody yet" in render([UnitSummary("u", "Things", [], [], [0] * 10, 0, [])], "A course")
