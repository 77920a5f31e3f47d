"""The page that a student gets back: own code, points, and what each failed test has to say.

Nothing of a test but its message reaches the page, so that hidden tests stay hidden.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path

import mistune
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder.grading.gradebook import Standing
from autograder.grading.lesson import Lesson
from autograder.grading.outcome import Outcome
from autograder.grading.rows import WORDS, Row, in_words, number, worst
from autograder.grading.verdicts import Verdict
from helpers.files import write_atomically

_HEAD = 600  # characters of a page in which its mark stands
_LEXER, _FORMATTER = PythonLexer(stripnl=False), HtmlFormatter()  # a stripped first line would shift the others
_SIGNS = {"passed": "✓", "failed": "✗", "unreadable": "?", "missing": "?"}

_WHAT_NOW = {
    "missing": "No notebook of yours was found for this unit. If you did hand one in, ask your instructor where it "
               "went; otherwise hand in the notebook of this unit, with your answers in its answer cells.",
    "unreadable": "The file you handed in could not be opened as a notebook, so nothing in it was graded. Open your "
                  "notebook in JupyterLab, check that your answers are there, save it, and hand in that file again.",
    "error": "Grading itself failed; this is not your doing, and your instructor knows. Your work will be "
             "graded again.",
}


def write_feedback(path: Path, outcome: Outcome, row: Row, lesson: Lesson, standing: Standing | None) -> None:
    """Write the page of one student to `path`, unless the one that is there says the same."""
    mark = _mark(outcome, row, lesson, standing)
    try:
        with path.open(encoding="utf-8") as page:
            there = page.read(_HEAD)
    except OSError:
        there = ""
    if mark not in there:
        write_atomically(path, render(outcome, row, lesson, standing, mark))


def _mark(outcome: Outcome, row: Row, lesson: Lesson, standing: Standing | None) -> str:
    """A hash of everything that a page depends on."""
    found = outcome.as_dict()
    for verdict in found["verdicts"]:
        del verdict["seconds"]  # no page shows them, and no two runs take the same
    data = [_looks(), title_of(lesson), lesson.code_answers, lesson.written, found, asdict(row),
            asdict(standing) if standing else None]
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


@cache
def _looks() -> str:
    """How pages look: this module and its template."""
    files = [Path(__file__), Path(__file__).parent / "templates" / "feedback.html.j2"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def render(outcome: Outcome, row: Row, lesson: Lesson, standing: Standing | None, mark: str = "") -> str:
    points = standing.points if standing else {}
    comments = standing.comments if standing else {}
    exercises = _exercises(outcome, lesson, points, comments) if outcome.answers else []
    written = _written(outcome, lesson, standing, points, comments) if outcome.answers else []
    return _environment().get_template("feedback.html.j2").render(
        title=title_of(lesson), row=row, status_words=in_words(row), number=number, exercises=exercises,
        written=written, notes=[note[:1].upper() + note[1:] for note in outcome.notes],
        problem=outcome.problem, what_now=_WHAT_NOW.get(outcome.status, "") if outcome.problem else "",
        code_css=Markup(_code_css()), mark=mark)


def title_of(lesson: Lesson) -> str:
    """The first heading of the lesson, else the unit's name in words."""
    for cell in lesson.shown:
        match = re.search(r"^#\s+(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if match:
            return match[1].strip().replace("`", "")
    return lesson.unit.split("_", 1)[-1].replace("_", " ").capitalize()


def _exercises(outcome: Outcome, lesson: Lesson, points: Mapping[str, float],
               comments: Mapping[str, str]) -> list[dict]:
    found = []
    for name in lesson.code_answers:
        verdicts = [verdict for verdict in outcome.verdicts if verdict.exercise == name]
        if not verdicts:
            continue
        status = worst(verdict.status for verdict in verdicts)
        answered = verdicts[0].answered or status == "passed"
        messages = [verdict for verdict in verdicts if verdict.status != "passed"]
        found.append({
            "name": name, "status": status, "sign": _SIGNS.get(status, "!"), "answered": answered,
            "word": WORDS[status] if answered else "not answered",
            "points": sum(points.get(verdict.test, verdict.points) for verdict in verdicts),
            "max_points": sum(verdict.max_points for verdict in verdicts),
            "messages": [(_capital(verdict.message), verdict) for verdict in messages],
            "code": _code(name, outcome.answers.get(name, ""), messages),
            "comment": _comment(name, comments),
        })
    return found


def _code(name: str, source: str, messages: list[Verdict]) -> Markup:
    """The answer in colours; the lines that a message names stand out."""
    lines = {int(number) for verdict in messages
             for number in re.findall(rf"line (\d+) of your `{re.escape(name)}` cell", verdict.message)}
    formatter = HtmlFormatter(hl_lines=sorted(lines)) if lines else _FORMATTER
    return Markup(highlight(source, _LEXER, formatter))


def _capital(message: str) -> str:
    return message[:1].upper() + message[1:]


def _written(outcome: Outcome, lesson: Lesson, standing: Standing | None, points: Mapping[str, float],
             comments: Mapping[str, str]) -> list[dict]:
    pending = standing.pending if standing else ()
    text = mistune.create_markdown(escape=True, plugins=["table", "strikethrough"])
    return [{"name": name.removeprefix("written_").replace("_", " "), "points": points.get(name, 0.0),
             "max_points": most, "pending": name in pending,
             "answered": comments.get(name) != "No response.", "text": Markup(text(outcome.answers.get(name, ""))),
             "comment": _comment(name, comments)} for name, most in lesson.written.items()]


def _comment(name: str, comments: Mapping[str, str]) -> str:
    text = comments.get(name, "")
    return "" if text == "No response." else text


@cache
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["ticks"] = with_code
    return environment


def with_code(text: str) -> Markup:
    """Text as HTML, `x` in it as code."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def _code_css() -> str:
    light = HtmlFormatter(style="default", nobackground=True).get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark", nobackground=True).get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}"
