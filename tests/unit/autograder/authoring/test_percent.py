"""A lesson's text as a notebook: the same every time, and safe to edit in JupyterLab."""

import nbformat
import pytest

from autograder.authoring import percent

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#     cell_metadata_filter: all
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""


def test_same_text_same_bytes(golden):
    path = golden.source("01_tiny")
    assert percent.dumps(percent.read(path)) == percent.dumps(percent.read(path))


def test_ids_are_grade_ids_else_hashes_of_the_content(golden):
    notebook = percent.read(golden.source("01_tiny"))
    ids = [cell.id for cell in notebook.cells]
    assert ids[3:5] == ["mean", "test_mean"] and "written_median" in ids
    assert ids[0] == percent.content_id(notebook.cells[0])
    assert all(percent.CELL_ID.fullmatch(one) for one in ids)


def test_equal_cells_get_different_ids_in_order():
    notebook = percent.reads(HEADER + "# %%\nx = 1\n\n# %%\nx = 1\n\n# %%\nx = 1\n")
    first, second, third = (cell.id for cell in notebook.cells)
    assert (second, third) == (f"{first}-2", f"{first}-3")


def test_moving_a_cell_keeps_its_id():
    there = percent.reads(HEADER + "# %%\nx = 1\n\n# %%\ny = 2\n").cells
    back = percent.reads(HEADER + "# %%\ny = 2\n\n# %%\nx = 1\n").cells
    assert [cell.id for cell in there] == [cell.id for cell in back][::-1]


@pytest.mark.parametrize("name", ["Schöne Aufgabe", "x" * 65, ""])
def test_a_grade_id_that_no_cell_id_may_be_gives_a_hash(name):
    text = HEADER + f'# %% nbgrader={{"grade_id": "{name}", "locked": false}}\nx = 1\n'
    cell = percent.reads(text).cells[0]
    assert cell.id == percent.content_id(cell)


def test_notebook_says_nothing_of_jupytext_or_layout(golden):
    text = HEADER + "# %%\nx = 1\n# %%\n\n\n\ny = 2\n\n\n\n# %%\ndef f():\n    pass\n# %%\nz = 3\n"
    notebook = percent.reads(text)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert all(not cell.metadata for cell in notebook.cells)
    nbformat.validate(notebook)


def test_a_comment_like_a_shell_command_stays_a_comment():
    source = "# copy the list, or ls\n# ls -l\n# %matplotlib inline\nx = 1"
    assert percent.reads(HEADER + f"# %%\n{source}\n").cells[0].source == source


def test_lines_are_those_of_the_file():
    text = HEADER + '# %% [markdown]\n# # Title\n\n# %%\n\nx = """\n# %% no cell\n"""\n\n# %%\n# %% \ny = 2\n'
    notebook = percent.reads(text)
    lines = text.split("\n")
    found = [lines[number - 1] for number in percent.first_lines(text, notebook)]
    assert found[:2] == ["# # Title", 'x = """']
    assert len(found) == len(notebook.cells)


@pytest.mark.parametrize("header", [True, False], ids=["with header", "jupytext.toml alone"])
def test_jupyterlab_keeps_cells_and_metadata(golden, header):
    """Open as a notebook, save: what jupytext's contents manager does in JupyterLab."""
    from jupytext.sync_contentsmanager import TextFileContentsManager

    path = golden.source("01_tiny")
    if not header:
        text = path.read_text(encoding="utf-8")
        path.write_text(text[text.index("# %% [markdown]"):], encoding="utf-8")
    before = percent.read(path)
    manager = TextFileContentsManager(root_dir=str(golden.root))
    place = path.relative_to(golden.root).as_posix()
    manager.save(manager.get(place, type="notebook"), place)
    assert percent.dumps(percent.read(path)) == percent.dumps(before)
    assert sorted(file.name for file in path.parent.iterdir()) == ["01_tiny.py", "two_heaps.svg"]  # no paired notebook


def test_a_second_save_changes_nothing(golden):
    from jupytext.sync_contentsmanager import TextFileContentsManager

    manager = TextFileContentsManager(root_dir=str(golden.root))
    place = "source/01_tiny/01_tiny.py"
    texts = []
    for _ in range(2):
        manager.save(manager.get(place, type="notebook"), place)
        texts.append(golden.source("01_tiny").read_bytes())
    assert texts[0] == texts[1]
