"""work/ belongs to the learner: notebooks are copied into it once and never again."""

from pathlib import Path

from autograder.course import Course
from autograder.lab import copy_notebooks


def course_at(root: Path) -> Course:
    (root / "pyproject.toml").write_text('[tool.course]\nunits = ["01_first", "02_second"]\n')
    for unit in ("01_first", "02_second"):
        (root / "source" / unit).mkdir(parents=True)
        (root / "source" / unit / f"{unit}.py").write_text("# %%\n")
        (root / "notebooks").mkdir(exist_ok=True)
        (root / "notebooks" / f"{unit}.ipynb").write_text(f"{unit}, first edition")
    return Course(root)


def test_a_learners_notebook_is_never_touched(tmp_path):
    course = course_at(tmp_path)
    assert [path.name for path in copy_notebooks(course)] == ["01_first.ipynb", "02_second.ipynb"]
    mine = tmp_path / "work" / "01_first.ipynb"
    mine.write_text("my answers")
    (tmp_path / "notebooks" / "01_first.ipynb").write_text("second edition")
    (tmp_path / "work" / "02_second.ipynb").unlink()
    assert [path.name for path in copy_notebooks(course)] == ["02_second.ipynb"]
    assert mine.read_text() == "my answers"
