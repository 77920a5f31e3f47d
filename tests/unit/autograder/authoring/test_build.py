"""What `course build` makes, keeps, removes and refuses."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from autograder.authoring import regions
from autograder.authoring.build import build
from autograder.course import Course
from autograder.errors import AuthorError, UsageError

ROOT = Path(__file__).resolve().parents[4]
EXPECTED = ROOT / "tests" / "golden" / "expected"
COMMITTED = ["notebooks/01_tiny.ipynb", "release/01_tiny/01_tiny.ipynb", "release/01_tiny/two_heaps.svg"]


def tree(course: Course) -> dict[str, bytes]:
    """The committed editions: path -> bytes."""
    folders = [course.root / "release", course.root / "notebooks"]
    return {path.relative_to(course.root).as_posix(): path.read_bytes()
            for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}


def second_unit(course: Course) -> None:
    """A copy of the unit, as 02_more."""
    folder = course.root / "source" / "02_more"
    shutil.copytree(course.root / "source" / "01_tiny", folder)
    (folder / "01_tiny.py").rename(folder / "02_more.py")


def test_golden_trees(golden):
    report = build(golden)
    assert tree(golden) == {path.relative_to(EXPECTED).as_posix(): path.read_bytes()
                            for path in EXPECTED.rglob("*") if path.is_file()}
    assert report.units == ["01_tiny"] and not report.failed
    assert sorted(report.written) == sorted([*COMMITTED, "source/01_tiny/01_tiny.ipynb"])


def test_second_build_writes_nothing(golden):
    build(golden)
    times = {path: (golden.root / path).stat().st_mtime_ns for path in COMMITTED}
    report = build(golden)
    assert (report.written, report.removed, report.unchanged) == ([], [], 4)
    assert times == {path: (golden.root / path).stat().st_mtime_ns for path in COMMITTED}


def test_place_and_time_leave_no_trace(golden, tmp_path):
    build(golden)
    elsewhere = tmp_path / "some other place"
    shutil.copytree(golden.root, elsewhere, ignore=shutil.ignore_patterns("release", "notebooks", "*.ipynb"))
    build(Course(elsewhere))
    assert tree(Course(elsewhere)) == tree(golden)


def test_no_answer_in_release(golden):
    source = golden.source("01_tiny").read_text(encoding="utf-8")
    build(golden)
    for path in (golden.root / "release").rglob("*"):
        assert not path.name.endswith(".py")
        if path.suffix == ".ipynb":
            text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
            for secret in ("sum(values) / len(values)", "raise ValueError", "depends on the size", "-2.5",
                           "check.raises"):
                assert secret in source
                assert secret not in text
            assert not any(marker in path.read_text() for marker in ("BEGIN SOLUTION", "HIDDEN TESTS"))


def test_stub_is_the_one_of_the_contract(golden):
    build(golden)
    cells = nbformat.read(golden.release("01_tiny"), as_version=4).cells
    solution = next(cell for cell in cells if cell.id == "mean")
    assert solution.source.endswith(
        '    # YOUR CODE HERE\n    raise NotImplementedError("Write your answer here, then delete this line.")')
    assert next(cell for cell in cells if cell.id == "written_median").source == "YOUR ANSWER HERE"


def test_check_is_clean_after_a_build_and_writes_nothing(golden):
    with pytest.raises(AuthorError, match=r"release/01_tiny/01_tiny\.ipynb is missing") as caught:
        build(golden, check=True)
    assert caught.value.exit_code == 3 and "course build" in str(caught.value)
    assert not (golden.root / "release").exists()
    build(golden)
    golden.source_notebook("01_tiny").unlink()  # not committed, so not compared
    build(golden, check=True)
    assert not golden.source_notebook("01_tiny").exists()


@pytest.mark.parametrize(("damage", "message"), [
    (lambda root: (root / COMMITTED[0]).write_text("{}"), "notebooks/01_tiny.ipynb differs"),
    (lambda root: (root / COMMITTED[1]).unlink(), "release/01_tiny/01_tiny.ipynb is missing"),
    (lambda root: (root / "release/01_tiny/old.png").write_bytes(b"x"), "release/01_tiny/old.png has no source"),
    (lambda root: (root / "notebooks/09_gone.ipynb").write_text("{}"), "notebooks/09_gone.ipynb has no source"),
    (lambda root: (root / "release/01_tiny/01_tiny.py").write_text("x"), "release/01_tiny/01_tiny.py has no source"),
])
def test_check_names_what_differs(golden, damage, message):
    build(golden)
    damage(golden.root)
    with pytest.raises(AuthorError, match=message):
        build(golden, check=True)


def test_files_of_a_unit_that_is_gone_are_removed_and_no_others(golden):
    second_unit(golden)
    build(golden)
    kept = ["release/.gitkeep", "release/README.md", "notebooks/my own.ipynb", "notebooks/notes.txt"]
    for path in kept:
        (golden.root / path).write_text("mine")
    shutil.rmtree(golden.root / "source" / "02_more")
    (golden.source("01_tiny").parent / "two_heaps.svg").rename(golden.source("01_tiny").parent / "heaps.svg")
    text = golden.source("01_tiny").read_text().replace("two_heaps.svg", "heaps.svg")
    golden.source("01_tiny").write_text(text)
    report = build(golden)
    assert sorted(report.removed) == ["notebooks/02_more.ipynb", "release/01_tiny/two_heaps.svg",
                                      "release/02_more/02_more.ipynb", "release/02_more/two_heaps.svg"]
    assert not (golden.root / "release" / "02_more").exists()
    assert all((golden.root / path).exists() for path in kept)


def test_building_one_unit_leaves_the_others_alone(golden):
    second_unit(golden)
    build(golden)
    (golden.root / COMMITTED[0]).write_text("mine")
    (golden.root / "release/09_gone").mkdir()
    (golden.root / "release/09_gone/09_gone.ipynb").write_text("{}")
    report = build(golden, ["2"])
    assert report.units == ["02_more"] and not report.written and not report.removed
    assert (golden.root / COMMITTED[0]).read_text() == "mine"


def test_a_source_file_in_release_is_named_and_left_to_the_author(golden):
    build(golden)
    leaked = golden.root / "release/01_tiny/01_tiny.py"
    leaked.write_text("all answers")
    with pytest.raises(AuthorError, match=r"release/01_tiny/01_tiny.py is not made by course build"):
        build(golden)
    assert leaked.exists()


@pytest.mark.parametrize(("old", "new", "reason"), [
    ("    ### END SOLUTION\n", "", "not balanced"),
    ("### BEGIN HIDDEN TESTS", "### BEGIN HIDDEN TEST", "marker exactly"),
    ("### BEGIN HIDDEN TESTS", "### begin hidden tests", "marker exactly"),
    ('"grade_id": "test_mean"', '"grade_id": "mean"', "is taken by the cell"),
    ("# %% [markdown]\n# ## Recap", '# %% [markdown] nbgrader="no dict"\n# ## Recap', "a read-only cell"),
    ("return sum(values)", "return return sum(values)", "not Python"),
    ("# %% [markdown]\n# ## Recap", '# %% [markdown] tags="lab"\n# ## Recap', "cannot be read"),
])
def test_a_unit_that_fails_leaves_its_files_and_the_other_units(golden, edit, old, new, reason):
    second_unit(golden)
    build(golden)
    before = tree(golden)
    edit(old, new)
    other = golden.source("02_more")
    other.write_text(other.read_text().replace("Tiny: the mean", "More: the mean"))
    with pytest.raises(AuthorError, match=reason):
        build(golden)
    after = tree(golden)
    changed = {path for path in before if before[path] != after.get(path)}
    assert changed == {"notebooks/02_more.ipynb", "release/02_more/02_more.ipynb"}
    with pytest.raises(AuthorError, match="01_tiny cannot be built"):
        build(golden, check=True)


@pytest.mark.parametrize("name", ["notes.txt", "more_answers.py", "Untitled.ipynb", "data.csv"])
def test_a_file_that_nbgrader_would_hand_out_is_refused(golden, name):
    (golden.source("01_tiny").parent / name).write_text("all answers")
    with pytest.raises(AuthorError, match=f"{re.escape(name)}:1: nbgrader would hand this file to students"):
        build(golden)
    assert not (golden.root / "release").exists()


def test_nbgraders_own_reason_is_passed_on(golden, monkeypatch):
    monkeypatch.setattr("autograder.authoring.lint.leaks", lambda course, unit: [])
    path = golden.source("01_tiny")
    path.write_text(path.read_text().replace("    ### END SOLUTION\n", "", 1))
    with pytest.raises(AuthorError, match=r"01_tiny: nbgrader cannot make .* no end solution statement found"):
        build(golden)


def test_repository_of_the_links(golden, monkeypatch):
    build(golden, repository="me/fork")
    text = golden.selfstudy("01_tiny").read_text()
    assert "github/me/fork/blob/main/notebooks/01_tiny.ipynb" in text and "someone/" not in text
    with pytest.raises(UsageError, match="wanted owner/name"):
        build(golden, repository="https://github.com/me/fork")


def test_settings_are_needed(golden):
    (golden.root / "nbgrader_config.py").unlink()
    with pytest.raises(AuthorError, match=r"no nbgrader_config\.py"):
        build(golden)


def test_settings_may_be_executed_many_times():
    from traitlets.config import PyFileConfigLoader

    once = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    loader = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT))
    loader.load_config()
    loader._read_file_as_dict()  # nbgrader's apps execute the file again on the same object
    assert loader.config == once
    assert "[0-9][0-9]_*.py" in once.CourseDirectory.ignore


def test_a_build_touches_no_gradebook_and_stays_where_it_is(golden, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    build(golden)
    assert Path.cwd() == tmp_path
    assert not list(tmp_path.rglob("gradebook.db*"))


def test_regions_of_a_cell():
    cell = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    assert regions.inside(cell) == "    return 1"
    assert regions.stubbed(cell) == "def f():\n    pass"
    assert not regions.at_top_level(cell) and regions.at_top_level("x = 0\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION")
