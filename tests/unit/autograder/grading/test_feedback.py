"""The page a student gets back: helpful, safe, and silent about hidden tests."""

import copy
import re

import pytest

from autograder.grading.examine import denied
from autograder.grading.feedback import render, title_of, with_code, write_feedback
from autograder.grading.gradebook import Standing
from autograder.grading.outcome import Outcome, answers_of, row, status_of
from autograder.grading.verdicts import Verdict


@pytest.fixture
def page(lesson, tools):
    def make(standing=None, notes=(), failed=("test_double",), **answers):
        notebook = copy.deepcopy(lesson.notebook)
        for name, source in {**tools.RIGHT, **answers}.items():
            tools.cell_of(notebook, name).source = source
        verdicts = [Verdict(t.grade_id, t.exercise, "failed" if t.grade_id in failed else "passed",
                            0 if t.grade_id in failed else t.points, t.points,
                            "give `x` back <twice>" if t.grade_id in failed else "", t.grade_id in failed)
                    for t in lesson.tests.values()]
        outcome = Outcome("ann", status_of(verdicts), verdicts, None, list(notes), answers=answers_of(notebook))
        standing = standing or Standing(5, 7, 0, 2, ("written_why",), {v.test: v.points for v in verdicts}, {})
        return render(outcome, row(outcome, lesson, standing, False), lesson, standing)

    return make


def words(html):
    return " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def test_code_points_messages_and_what_waits_are_there(page):
    text = words(page(notes=["the file was named x.ipynb"]))
    assert "Tiny sums" in text
    assert "5 of 7 points" in text
    assert "double ✗ not right yet 0 of 2" in text
    assert "area ✓ passed 3 of 3" in text
    assert "Give x back &lt;twice&gt;" in text
    assert "2 of 3 exercises are right. ✗ double ✓ area ✓ total" in text
    assert "A hidden test" in text
    assert "return x + x" in text
    assert "The file was named x.ipynb." in text
    assert "why waits to be read up to 2" in text
    assert "Zero is what adding does not change." in text


def test_nothing_of_a_test_but_its_message_is_in_it(page, lesson):
    html = page()
    assert "1234.5" not in html
    assert "2469" not in html
    for test in lesson.tests.values():
        for line in test.source.split("\n"):
            assert line not in html


def test_what_students_write_cannot_become_markup(page):
    html = page(double="# <script>alert(1)</script>",
                written_why="[x](javascript:alert(3))\n\n<script>alert(2)</script>")
    assert "<script" not in html
    assert 'href="javascript' not in html


def test_graded_by_a_person(page):
    standing = Standing(5, 7, 1.5, 2, (), {"written_why": 1.5}, {"written_why": "Say <why>.", "area": "No response.",
                                                                 "double": "Nearly!"})
    text = words(page(standing))
    assert "why 1.5 of 2" in text
    assert "Say &lt;why&gt;." in text
    assert "Nearly!" in text
    assert "No response" not in text


@pytest.mark.parametrize("status, problem, now", [
    ("unreadable", "x.ipynb is empty.", "hand in that file again"),
    ("missing", "Handed in nothing.", "ask your instructor"),
    ("error", "A kernel could not be started.", "this is not your doing")])
def test_what_could_not_be_graded_has_a_page_that_says_what_to_do(lesson, status, problem, now):
    outcome = denied(lesson, "ann", status, problem)
    text = words(render(outcome, row(outcome, lesson, None, False), lesson, None))
    assert problem in text
    assert now in text
    assert "0 of 7 points" in text


def test_titles_and_code(lesson):
    assert title_of(lesson) == "1. Tiny sums"
    assert with_code("a `b<` c") == "a <code>b&lt;</code> c"


def test_a_page_is_written_again_only_when_it_would_say_something_else(lesson, tmp_path):
    path, outcome = tmp_path / "ann.html", denied(lesson, "ann", "unreadable", "x.ipynb is empty.")
    line = row(outcome, lesson, None, False)
    write_feedback(path, outcome, line, lesson, None)
    first = path.stat().st_ino
    write_feedback(path, outcome, line, lesson, None)
    assert path.stat().st_ino == first
    outcome.problem = "y.ipynb is empty."
    write_feedback(path, outcome, line, lesson, None)
    assert "y.ipynb is empty." in path.read_text()
    path.write_text("")
    write_feedback(path, outcome, line, lesson, None)
    assert "y.ipynb is empty." in path.read_text()


def test_the_line_that_a_message_names_stands_out(lesson):
    verdicts = [Verdict("test_double", "double", "error", 0, 2, "TypeError (line 2 of your `double` cell: `return y`)")]
    outcome = Outcome("ann", "error", verdicts, answers={"double": "def double(x):\n    return y\n"})
    html = render(outcome, row(outcome, lesson, None, False), lesson, None)
    (line,) = re.findall(r'<span class="hll">(.*)', html)
    assert "return" in line


def test_what_was_not_answered_is_no_mistake(lesson):
    verdicts = [Verdict("test_double", "double", "failed", 0, 2, "`double` is not answered yet.", answered=False)]
    outcome = Outcome("ann", "failed", verdicts, answers={"double": "def double(x): ...", "written_why": "YOUR ANSWER"})
    standing = Standing(0, 7, 0, 2, (), {"written_why": 0}, {"written_why": "No response."})
    html = render(outcome, row(outcome, lesson, standing, False), lesson, standing)
    text = words(html)
    assert "double ○ not answered 0 of 2" in text
    assert "why ○ not answered 0 of 2" in text
    assert "YOUR ANSWER" not in text
    assert "<details open" not in html
