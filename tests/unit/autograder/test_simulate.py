"""The simulated class itself; that grading meets it is the integration test's business."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.build import build
from autograder.course import Course
from autograder.errors import UsageError
from autograder.grading import Row
from autograder.simulate import demo, differences, simulate

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = Path(__file__).parent / "grading" / "fixtures"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(FIXTURES, root, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    build(Course(root))
    return Course(root)


def test_sixteen_students_each_a_case_of_their_own(course, tmp_path):
    folder = simulate(course, "01_tiny", tmp_path)
    wanted = json.loads((tmp_path / "expected.json").read_text())["students"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(wanted)
    assert len(wanted) == 16
    assert wanted["Ada_all_right"] == {"score": 7, "max_score": 7, "status": "passed", "note": ""}
    statuses = {one["status"] for one in wanted.values()}
    assert statuses == {"passed", "not passed", "failed", "timeout", "error", "killed", "unreadable"}
    assert {path.name for path in folder.rglob("*.ipynb")} == {"01_tiny.ipynb", "my homework (final) v2.ipynb"}


def test_what_is_handed_in_holds_no_hidden_test(course, tmp_path):
    for path in simulate(course, "01_tiny", tmp_path).rglob("*.ipynb"):
        assert "1234.5" not in path.read_text()


def test_a_seed_gives_the_same_class_and_more_students_have_mistakes_too(course, tmp_path):
    classes = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = simulate(course, "01_tiny", tmp_path / name, n=30, seed=seed)
        classes.append({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.ipynb")})
    assert classes[0] == classes[1] != classes[2]
    assert len(classes[0]) == 30
    wanted = json.loads((tmp_path / "a" / "expected.json").read_text())["students"]
    assert wanted["student_030"]["score"] < 7


def test_broken_is_broken_and_the_rest_are_notebooks(course, tmp_path):
    for path in simulate(course, "01_tiny", tmp_path).rglob("*.ipynb"):
        if "Bea" in str(path):
            with pytest.raises(nbformat.reader.NotJSONError):
                nbformat.read(path, as_version=4)
        else:
            nbformat.validate(nbformat.read(path, as_version=4))


def test_real_submissions_are_never_written_over(course, tmp_path):
    (tmp_path / "submitted" / "ann").mkdir(parents=True)
    with pytest.raises(UsageError, match="not simulated"):
        simulate(course, "01_tiny", tmp_path)
    assert (tmp_path / "submitted" / "ann").is_dir()


def test_differences_are_told(course, tmp_path):
    simulate(course, "01_tiny", tmp_path, n=2)
    right = [Row("Ada_all_right", "01_tiny", 7, 7, "passed", "x"),
             Row("Uma_untouched", "01_tiny", 0, 7, "failed", "No exercise was answered.")]
    assert differences(right, tmp_path) == []
    assert differences(right[:1], tmp_path) == ["Uma_untouched has no row."]
    wrong = [right[0], Row("Uma_untouched", "01_tiny", 0, 7, "failed", "?")]
    assert "nothing says" in differences(wrong, tmp_path)[0]
    wrong = [Row("Ada_all_right", "01_tiny", 6, 7, "passed", "x"), right[1]]
    assert "wanted 7 of 7 and passed, got 6 of 7" in differences(wrong, tmp_path)[0]


def test_a_demo_leaves_a_folder_with_real_grades_alone(tmp_path):
    (tmp_path / "gradebook.db").write_text("real")
    with pytest.raises(UsageError, match="not a demo's"):
        demo(Course(tmp_path), tmp_path)
    assert (tmp_path / "gradebook.db").read_text() == "real"
