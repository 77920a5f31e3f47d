"""report.html: one file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from autograder.grading.feedback import with_code
from autograder.grading.rows import in_words, number
from autograder.reporting.charts import histogram, success
from autograder.reporting.summary import ENDINGS, UnitSummary, share, what_happened
from autograder.reporting.table import headline, percent

_MESSAGES = 4  # shown for an exercise


def render(summaries: list[UnitSummary], title: str) -> str:
    """The page on one or more units."""
    return _environment().get_template("report.html.j2").render(
        title=title, summaries=summaries, endings=ENDINGS, most_messages=_MESSAGES)


def feedback_link(student: str, unit: str) -> str:
    return f"feedback/{quote(student)}/{quote(unit)}/{quote(unit)}.html"


@cache
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"ticks": with_code, "number": number, "in_words": in_words, "percent": percent,
                            "share": share, "headline": headline, "what_happened": what_happened,
                            "histogram": histogram, "success": success}
    environment.globals["feedback_link"] = feedback_link
    return environment
