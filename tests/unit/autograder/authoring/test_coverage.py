"""What the course promises, and who keeps it."""

import json

import pytest

from autograder.authoring import coverage, lint, percent

LAST = {"A": 44, "B": 27, "C": 17, "D": 4}
CODES = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]


def test_the_list_is_whole_and_in_order():
    assert list(coverage.items()) == CODES
    titles = list(coverage.items().values())
    assert all(title.strip() == title and 3 < len(title) < 110 for title in titles)
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(("line", "codes"), [
    ("Covers: A1, A2", ("A1", "A2")),
    ("Covers: A1, B27.", ("A1", "B27")),
    ("Covers:", ()),
])
def test_a_claim(line, codes):
    notebook = percent.reads(f"# %% [markdown]\n# ## Recap\n#\n# {line}\n")
    assert [(claim.cell, claim.line, claim.codes) for claim in coverage.claims(notebook)] == [(0, 3, codes)]


def test_only_a_line_of_its_own_claims():
    text = "# %% [markdown]\n# It Covers: A1\n# covers: A2\n\n# %%\nx = 'Covers: A3'\n"
    assert coverage.claims(percent.reads(text)) == []


def own_list(course, *codes):
    (course.root / "coverage.json").write_text(json.dumps({code: f"Item {code}" for code in codes}))


def test_covered(golden):
    own_list(golden, "A5", "B1")
    found = coverage.of(golden)
    assert found.by == {"A5": ("01_tiny",), "B1": ()}
    assert found.uncovered == ["B1"] and found.complete


def test_open_items_are_errors_once_all_units_are_there(golden):
    own_list(golden, "A5", "B1", "B2")
    report = lint.check(golden)
    assert [problem.message.split(":")[0] for problem in report.errors] == ["no unit covers B1", "no unit covers B2"]


def test_open_items_warn_while_units_are_missing(golden):
    own_list(golden, "A5", "B1", "B2")
    config = golden.root / "pyproject.toml"
    config.write_text(config.read_text().replace('["01_tiny"]', '["01_tiny", "02_more"]'))
    report = lint.check(golden)
    assert not report.errors
    [warning] = report.warnings
    assert warning.message == "2 of 3 coverage items are still open; units to come: 1; items: B1, B2."
    assert ": warning: " in str(warning)


def test_a_part_of_the_course_is_not_asked_for_the_whole(golden):
    own_list(golden, "A5", "B1")
    assert lint.check(golden, ["01_tiny"]).problems == []


def test_an_unknown_item_is_an_error(golden, edit):
    edit("Covers: A5", "Covers: A5, A05")
    [problem] = lint.check(golden).errors
    assert problem.message == "`A05` is not in the coverage list."
