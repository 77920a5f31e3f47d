"""Who handed in what, in every layout."""

import json

import pytest

from autograder.errors import UsageError
from autograder.grading.submissions import Lookup, find_submissions, read_roster

UNIT = "04_logits"
LOOKUP = Lookup(UNIT, ("02_tokenizers", UNIT), {"softmax": "stub"})


def notebook(source="stub", grade_id="softmax"):
    return json.dumps({"cells": [{"cell_type": "code", "source": source,
                                  "metadata": {"nbgrader": {"grade_id": grade_id}}}]})


@pytest.fixture
def find(tmp_path):
    def search(*paths, **contents):
        root = tmp_path / "in"
        root.mkdir(exist_ok=True)
        for path in paths:
            if path.endswith("/"):
                (root / path).mkdir(parents=True, exist_ok=True)
            else:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(contents.get(path, notebook("answer")))
        return find_submissions(root, LOOKUP)

    return search


def names(found):
    return {one.student: one.path.name if one.path else None for one in found}


def test_nbgraders_layout(find):
    found = find(f"ann/{UNIT}/{UNIT}.ipynb", f"bob/{UNIT}/{UNIT}.ipynb")
    assert names(found) == {"ann": f"{UNIT}.ipynb", "bob": f"{UNIT}.ipynb"}
    assert [one.notes for one in found] == [[], []]


def test_a_renamed_file_is_taken_and_noted(find):
    one, = find("ann/my homework FINAL (2).ipynb")
    assert one.student == "ann"
    assert one.notes == ["the file was named my homework FINAL (2).ipynb"]


def test_flat_files_are_named_after_their_students(find):
    found = find("ann.ipynb", f"bob_{UNIT}.ipynb", f"{UNIT}-cy.ipynb", f"Doe, Jo {UNIT}.ipynb")
    assert sorted(names(found)) == ["Doe, Jo", "ann", "bob", "cy"]
    assert not any(one.notes for one in found)


@pytest.mark.parametrize("wrapper", ["submitted", "unit 4 downloads"])
def test_folders_that_only_wrap_the_class_are_stepped_into(find, wrapper):
    found = find(f"{wrapper}/ann/{UNIT}/{UNIT}.ipynb", f"{wrapper}/bob/x.ipynb")
    assert sorted(names(found)) == ["ann", "bob"]


def test_one_student_alone_is_not_taken_for_a_wrapper(find):
    assert sorted(names(find(f"ann/{UNIT}/{UNIT}.ipynb"))) == ["ann"]


def test_junk_of_operating_systems_is_no_student(find):
    found = find("__MACOSX/._ann.ipynb", ".DS_Store", "ann/a.ipynb", "ann/.ipynb_checkpoints/a.ipynb", "bob/b.ipynb")
    assert names(found) == {"ann": "a.ipynb", "bob": "b.ipynb"}


def test_a_folder_without_a_notebook_is_there_but_empty(find):
    ann, bob, cy = find("ann/", "bob/essay.pdf", f"cy/{UNIT}/{UNIT}.ipynb")
    assert (ann.path, ann.absence) == (None, "handed in a folder without a notebook")
    assert (bob.path, bob.absence) == (None, "handed in no notebook, only essay.pdf")
    assert cy.path is not None


def test_the_work_of_other_units_is_not_looked_at(find):
    ann, bob = find("ann/02_tokenizers/02_tokenizers.ipynb", f"bob/{UNIT}/{UNIT}.ipynb",
                    "bob/02_tokenizers/02_tokenizers.ipynb", "cy_02_tokenizers.ipynb")
    assert ann.path is None
    assert bob.path.name == f"{UNIT}.ipynb"
    assert bob.notes == []


def test_of_several_notebooks_the_one_that_is_worked_on_is_taken(find):
    exact, copy = f"ann/{UNIT}/{UNIT}.ipynb", f"ann/{UNIT}/{UNIT}-Copy1.ipynb"
    one, = find(exact, copy, "ann/scratch.ipynb", **{exact: notebook("stub"), copy: notebook("answer"),
                                                      "ann/scratch.ipynb": notebook("x", "other")})
    assert one.path.name == f"{UNIT}-Copy1.ipynb"
    assert one.notes[0].startswith("3 notebooks were handed in")


def test_of_several_worked_on_the_right_name_is_taken(find):
    one, = find(f"ann/{UNIT}/{UNIT}.ipynb", f"ann/{UNIT}/old.ipynb", "ann/broken.ipynb", **{"ann/broken.ipynb": "{"})
    assert one.path.name == f"{UNIT}.ipynb"


def test_links_are_listed_and_never_followed(find, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.ipynb").write_text(notebook())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ann").symlink_to(outside)
    (tmp_path / "in" / "bob.ipynb").symlink_to(outside / "x.ipynb")
    ann, bob, _ = find(f"cy/{UNIT}.ipynb")
    assert ann.path is None or ann.path.is_symlink()
    assert bob.path.is_symlink()  # reading it says so


def test_an_empty_or_missing_folder_is_an_error_with_what_was_wanted(find, tmp_path):
    with pytest.raises(UsageError, match=f"STUDENT/{UNIT}"):
        find()
    with pytest.raises(UsageError, match="no folder"):
        find_submissions(tmp_path / "gone", LOOKUP)


@pytest.mark.parametrize("text, want", [
    ("bob\nann\n\n", ["ann", "bob"]), ("id,first_name\nann,Ann\nbob,Bob\n", ["ann", "bob"]),
    ("name,Student\nAnn,s1\nBob,s2\n", ["s1", "s2"]), ("\ufeffann\n", ["ann"])])
def test_rosters(tmp_path, text, want):
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8")
    assert read_roster(path) == want


def test_a_roster_cannot_name_folders(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("../ann\n")
    with pytest.raises(UsageError, match="no student"):
        read_roster(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_roster(tmp_path / "gone.csv")


def test_names_that_cannot_be_printed_are_made_so(tmp_path):
    (tmp_path / "in" / "an\x1b[2Jn").mkdir(parents=True)
    (tmp_path / "in" / "b\udcffb").mkdir()
    (tmp_path / "in" / "b\udcffb" / "a.ipynb").write_text(notebook())
    assert [one.student for one in find_submissions(tmp_path / "in", LOOKUP)] == ["an?[2Jn", "b?b"]
