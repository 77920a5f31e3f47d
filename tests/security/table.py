"""Write docs/security.md: every case, what stock nbgrader makes of it, and what `course grade` makes of it.

    python tests/security/stock.py      # runs the cases whose files changed through stock nbgrader; takes long
    python tests/security/table.py      # grades all with `course grade`, prints the page and writes it
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from corpus import FAMILIES, FULL, HERE, POINTS, Case, all_cases, exercises_of
from ours import Class, Result, grade_class
from stock import Stock, read_kept, version_of

PAGE = HERE.parents[1] / "docs" / "security.md"
HEAD = """\
# Hostile submissions

{count} submissions that cheat, break out, use up or break things, or are honest and look odd. Each is a small file in
`tests/security/cases/`, and all are handed in as one class to a lesson of six exercises that is worth {full} points.
A test asks of every one: no point that it did not earn, no point lost that it did earn, nothing of the grader's read,
changed or left running, and nobody else affected. Both columns are measured: {stock} cases ran on stock nbgrader
0.9.6, one at a time; the others would have harmed the machine there.

| | cases | stock nbgrader 0.9.6 | `course grade` |
|---|--:|--:|--:|
{summary}

*as it should be* counts the cases in which nothing is amiss.

"""


def page(graded: Class, stock: dict[str, Stock]) -> str:
    cases = all_cases()
    text = HEAD.format(count=len(cases), full=FULL, summary=_summary(cases, graded, stock),
                       stock=sum(not stock[case.name].note.startswith("not run") for case in cases
                                 if case.name in stock))
    for number, family in FAMILIES.items():
        text += f"## {family[0].upper()}{family[1:]}\n\n"
        text += "| case | stock nbgrader 0.9.6 | `course grade` |\n|---|---|---|\n"
        for case in cases:
            if case.name[0] == number:
                name = case.name[4:].replace("_", " ")
                ours = _ours(case, graded.results[case.name])
                text += f"| **{name}**: {_cell(case.title)} | {_stock(case, stock.get(case.name))} | {ours} |\n"
        text += "\n"
    return text.rstrip("\n") + "\n"


def _summary(cases: list[Case], graded: Class, stock: dict[str, Stock]) -> str:
    ran, right, ours = Counter(), Counter(), Counter()
    for case in cases:
        ours[case.family] += not graded.results[case.name].wrong
        one = stock.get(case.name)
        if one and not one.note.startswith("not run"):
            ran[case.family] += 1
            right[case.family] += _fine(case, one)
    total = Counter(case.family for case in cases)
    lines = [f"| {name} | {total[name]} | {right[name]} of {ran[name]} | {ours[name]} of {total[name]} |"
             for name in total]
    lines.append(f"| **as it should be** | **{len(cases)}** | **{right.total()} of {ran.total()}** "
                 f"| **{ours.total()} of {len(cases)}** |")
    return "\n".join(lines)


def _fine(case: Case, one: Stock) -> bool:
    # A file that nobody can read deserves no grade; every other submission does.
    return not one.wrong and (one.score is not None or case.loses == frozenset(POINTS))


def _ours(case: Case, result: Result) -> str:
    if result.wrong:
        return f"**{_amiss(case, result.wrong)}**"
    return _points(case, result.score) + f", {result.status}"


def _stock(case: Case, one: Stock | None) -> str:
    if one is None or one.case != version_of(case):
        return "not measured"
    if one.note.startswith("not run"):
        return _cell(one.note)
    wrong = _amiss(case, one.wrong)
    if one.score is None:
        return f"no grade: {_cell(one.note)}" + (f"; **{wrong}**" if wrong else "")
    return f"**{wrong}**" if wrong else _points(case, one.score)


def _amiss(case: Case, wrong: Iterable[str]) -> str:
    """A case that got out says so by losing its own exercise."""
    told = ["got out" if "REACHED" in case.text and clause.startswith("lost") else clause for clause in wrong]
    return _cell(", ".join(dict.fromkeys(told)))


def _points(case: Case, score: float) -> str:
    got = exercises_of(score) or set()
    if not case.loses and got == set(POINTS):
        return "full points"
    lost = [name for name in POINTS if name not in got]
    return "no point" if len(lost) == len(POINTS) else f"`{'`, `'.join(lost)}` lost"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="wall-") as scratch:
        made = page(grade_class(Path(scratch)), read_kept())
    print(made)
    PAGE.write_text(made, encoding="utf-8")
