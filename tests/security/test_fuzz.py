"""Notebooks bent in every way: reading and rebuilding gives the lesson's own tests, or says why it cannot."""

import copy
import json
from dataclasses import dataclass

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode

from autograder import cells
from autograder.grading.lesson import Lesson, load_lesson
from autograder.grading.reading import Unreadable, parse_notebook
from autograder.grading.rebuild import rebuild
from corpus import POINTS, UNIT, answered, references
from ours import built_course

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)
# Which answers are right; the others return something wrong. What right answers earn is the most there is.
ANSWERS = st.sets(st.sampled_from(sorted(POINTS)))
PLACES = st.integers(0, 10**6)
KEYS = ("cell_type", "source", "metadata", "id", "outputs", "execution_count", "attachments")
META = ("grade", "grade_id", "points", "solution", "locked")
IDS = st.sampled_from([*POINTS, *(f"test_{name}" for name in POINTS), "written_why", "setup", "x"])
STEPS = st.lists(st.one_of(
    st.tuples(st.just("delete"), PLACES),
    st.tuples(st.just("double"), PLACES, PLACES),
    st.tuples(st.just("move"), PLACES, PLACES),
    st.tuples(st.just("retype"), PLACES, st.sampled_from(["code", "markdown", "raw", "heading", "", "sql"])),
    st.tuples(st.just("split"), PLACES, PLACES),
    st.tuples(st.just("merge"), PLACES),
    st.tuples(st.just("rename"), PLACES, IDS),
    st.tuples(st.just("set"), PLACES, st.sampled_from(KEYS), JUNK),
    st.tuples(st.just("nbgrader"), PLACES, st.sampled_from(META), JUNK),
    st.tuples(st.just("drop"), PLACES, st.sampled_from(KEYS)),
    st.tuples(st.just("lines"), PLACES, st.sampled_from(["\r\n", "\r", "\u2028", "\x0c\n", "\n\n"])),
    st.tuples(st.just("top"), st.sampled_from(["cells", "metadata", "nbformat", "worksheets"]), JUNK),
), max_size=12)


@dataclass(repr=False)  # hypothesis would print the whole lesson
class Given:
    lesson: Lesson
    shown: NotebookNode


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    lesson = load_lesson(built_course(tmp_path_factory.mktemp("fuzz") / "course"), UNIT)
    shown = nbformat.v4.new_notebook(metadata=lesson.notebook.metadata)
    shown.cells = list(lesson.shown)
    return Given(lesson, shown)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(right=ANSWERS, steps=STEPS)
def test_bent_notebooks(unit, right, steps):
    document = answered(unit.shown, {name: f"{name} = lambda *args: 'wrong'" for name in set(POINTS) - right})
    for step in steps:
        bend(document, *step)
    rebuilt = check(unit.lesson, json.dumps(document).encode())
    for cell in rebuilt.cells if rebuilt else ():
        name = cells.grade_id(cell)
        assert name not in POINTS or name in right or cell.source != references()[name]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(start=PLACES, length=st.integers(0, 300), middle=st.binary(max_size=20), encoding=st.sampled_from(
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"]))
def test_broken_files(unit, start, length, middle, encoding):
    raw = json.dumps(answered(unit.shown, {}), ensure_ascii=False).encode(encoding, errors="replace")
    start %= len(raw)
    check(unit.lesson, raw[:start] + middle + raw[start + length:])


@settings(max_examples=150, deadline=None)
@given(document=JUNK)
def test_any_json(unit, document):
    check(unit.lesson, json.dumps(document).encode())


def check(lesson, raw):
    """It is unreadable, or becomes the lesson with sources of answers replaced by text of the student's.

    So no test, no points and nothing else of the lesson can change, and an answer earns what it is worth.
    """
    try:
        submitted = parse_notebook(raw)
    except Unreadable as error:
        assert str(error)
        return None
    rebuilt = rebuild(lesson, submitted)
    assert all(isinstance(note, str) and note for note in rebuilt.notes)
    theirs = {cell.source for cell in submitted.cells}
    for got, own in zip(rebuilt.notebook.cells, lesson.notebook.cells, strict=True):
        assert (got.cell_type, got.id, got.metadata) == (own.cell_type, own.id, own.metadata)
        assert got.source == own.source or (cells.is_solution(own) and got.source in theirs)
    nbformat.validate(rebuilt.notebook)
    return rebuilt.notebook


def bend(document, kind, *how):
    found = document.get("cells")
    if kind == "top":
        document[how[0]] = how[1]
        return
    if not isinstance(found, list) or not found:
        return
    place = how[0] % len(found)
    cell = found[place]
    if kind == "delete":
        del found[place]
    elif kind == "double":
        found.insert(how[1] % (len(found) + 1), copy.deepcopy(cell))
    elif kind == "move":
        found.insert(how[1] % len(found), found.pop(place))
    elif kind == "set" and isinstance(cell, dict):
        cell[how[1]] = how[2]
    elif kind == "drop" and isinstance(cell, dict):
        cell.pop(how[1], None)
    elif kind == "retype" and isinstance(cell, dict):
        cell["cell_type"] = how[1]
    elif kind in ("rename", "nbgrader") and isinstance(cell, dict):
        meta = cell.get("metadata")
        inner = meta.setdefault("nbgrader", {}) if isinstance(meta, dict) else None
        if isinstance(inner, dict):
            inner |= {"grade_id": how[1]} if kind == "rename" else {how[1]: how[2]}
    elif isinstance(cell, dict) and isinstance(cell.get("source"), str):
        bend_text(found, place, cell, kind, *how[1:])


def bend_text(found, place, cell, kind, *how):
    if kind == "split":
        at = how[0] % (len(cell["source"]) + 1)
        twin = copy.deepcopy(cell)
        cell["source"], twin["source"] = cell["source"][:at], cell["source"][at:]
        found.insert(place + 1, twin)
    elif kind == "merge" and place + 1 < len(found):
        after = found.pop(place + 1)
        if isinstance(after, dict) and isinstance(after.get("source"), str):
            cell["source"] += "\n" + after["source"]
    elif kind == "lines":
        cell["source"] = cell["source"].replace("\n", how[0])
