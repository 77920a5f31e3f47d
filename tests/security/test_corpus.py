"""Every case of the corpus, handed in as one class: none gains a point, none costs anybody else one."""

import csv
import os
import pickle

import pytest
from filelock import FileLock

from corpus import CANARIES, FAMILIES, NEIGHBOURS, all_cases
from ours import grade_class

CASES = {case.name: case for case in all_cases()}


@pytest.fixture(scope="session")
def graded(tmp_path_factory):
    """Graded once: where several processes run the tests, the first that comes here does it for all."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return grade_class(tmp_path_factory.mktemp("wall"))
    shared = tmp_path_factory.getbasetemp().parent / "wall.pickle"
    with FileLock(f"{shared}.lock"):
        if not shared.is_file():
            shared.write_bytes(pickle.dumps(grade_class(tmp_path_factory.mktemp("wall"))))
        return pickle.loads(shared.read_bytes())


@pytest.mark.parametrize("name", CASES)
def test_case(graded, name):
    result = graded.results[name]
    assert not result.wrong, (f"{CASES[name].title} It {', '.join(result.wrong)}: {result.score:g} points, "
                              f"{result.status}. {result.reason}")


@pytest.mark.parametrize("name", [case.name for case in NEIGHBOURS])
def test_an_honest_neighbour_loses_nothing(graded, name):
    result = graded.results[name]
    assert (result.status, result.wrong) == ("passed", ()), result.reason


def test_every_student_has_one_row_with_a_reason(graded):
    with (graded.out / "grades.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["student"] for row in rows) == sorted(graded.results)
    assert all(row["reason"] for row in rows)


def test_no_secret_and_no_hidden_test_in_what_is_for_all(graded):
    """The graded notebooks and the gradebook are for instructors: hidden tests may be there, secrets nowhere."""
    assert graded.secret not in graded.said
    for path in graded.out.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert graded.secret.encode() not in raw, path
            if path.relative_to(graded.out).parts[0] not in ("autograded", "gradebook.db"):
                assert not CANARIES.search(raw), path


def test_the_grader_is_as_it_was(graded):
    assert not [path for path in graded.out.iterdir() if path.name not in
                {"autograded", "feedback", "gradebook.db", "grades.csv", "results", "source"}]


def test_the_corpus_is_large_and_of_every_family():
    assert len(CASES) >= 80
    assert {case.family for case in CASES.values()} == set(FAMILIES.values())
