"""One file a student, whatever the name."""

import pytest

from autograder.grading.outcome import Outcome
from autograder.grading.results import Result, Results, file_name
from autograder.grading.verdicts import Verdict

NAMES = ["ann", "Ann", "ANN", "Zoë", "zoe", "a b", "a_b", "x" * 300, "x" * 299, "..", "con", "a:b", "-", "字", "🙂"]


def outcome(student):
    return Outcome(student, "failed", [Verdict("test_a", "a", "failed", 0, 2, "no")], notes=["odd"],
                   answers={"a": "def a():\n    return 'ä'"})


def test_what_is_written_is_read(tmp_path):
    results = Results(tmp_path, "01_u")
    for name in NAMES:
        results.write(Result(outcome(name), f"key of {name}", {"a": "earlier"}))
    for name in NAMES:
        assert results.read(name) == Result(outcome(name), f"key of {name}", {"a": "earlier"})
    assert sorted(result.outcome.student for result in results) == sorted(NAMES)
    assert results.read("nobody") is None


def test_names_are_safe_and_differ_also_where_capitals_do_not_count():
    names = [file_name(name) for name in NAMES]
    assert len({name.lower() for name in names}) == len(NAMES)
    assert all(len(name.encode()) < 100 and name.isascii() and "/" not in name and name[0] != "." for name in names)
    assert file_name("ann") == "ann"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 0}', '{"version": 1}', "\xff"])
def test_what_is_broken_or_of_another_version_counts_as_not_there(tmp_path, text):
    results = Results(tmp_path, "01_u")
    results.folder.mkdir(parents=True)
    results.path("ann").write_bytes(text.encode("latin-1"))
    assert results.read("ann") is None
    assert list(results) == []


def test_what_is_the_same_for_everyone(tmp_path, lesson):
    results = Results(tmp_path, lesson.unit)
    assert results.read_unit() == {}
    results.write_unit(lesson, 3, {"bob", "ann"})
    data = results.read_unit()
    assert (data["title"], data["exercises"], data["pending"], data["earlier"]) == (
        "1. Tiny sums", {"double": 2, "area": 3, "total": 2}, 3, ["ann", "bob"])
    assert list(results) == []
