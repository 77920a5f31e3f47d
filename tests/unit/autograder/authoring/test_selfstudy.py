"""The self-study edition: everything to run, nothing overwritten, ready for Colab."""

import ast
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from autograder.authoring import selfstudy
from autograder.authoring.build import build

SOLUTION = '"schema_version": 3, "solution": true, "task": false}'
TEST = '"schema_version": 3, "solution": false, "task": false}'
VALUE = f'''\
# %% nbgrader={{"grade": false, "grade_id": "answer", "locked": false, {SOLUTION}
### BEGIN SOLUTION
answer = mean([41.0, 43.0])
### END SOLUTION

# %% nbgrader={{"grade": true, "grade_id": "test_answer", "locked": true, "points": 3, {TEST}
check.equal(answer, 42.0)

# %%
half = answer / 2

# %%
quarter = half / 2

# %% [markdown]
# ## Recap
'''


def edition(course):
    build(course)
    return nbformat.read(course.selfstudy("01_tiny"), as_version=4)


def cell(notebook, name):
    return next(one for one in notebook.cells if one.id == name)


def code(notebook):
    return [one for one in notebook.cells if one.cell_type == "code"]


def errors(one):
    return [output.ename for output in one.outputs if output.output_type == "error"]


def printed(one):
    return "".join(output.text for output in one.outputs if output.output_type == "stream" and output.name == "stdout")


def test_is_a_plain_notebook(golden):
    notebook = edition(golden)
    nbformat.validate(notebook)
    assert len({one.id for one in notebook.cells}) == len(notebook.cells)
    assert all("nbgrader" not in one.metadata and one.metadata.get("editable", True) for one in notebook.cells)
    assert all(one.outputs == [] and one.execution_count is None for one in code(notebook))
    assert all(ast.parse(one.source) for one in code(notebook))
    assert "###" not in "".join(one.source for one in code(notebook))  # no marker is left


def test_opens_with_badge_and_set_up(golden):
    title, setup, *_ = edition(golden).cells
    address = "https://colab.research.google.com/github/someone/tiny-course/blob/main/notebooks/01_tiny.ipynb"
    assert title.source.startswith("# 1. Tiny: the mean\n\n[![Open in Colab](")
    assert f"]({address})" in title.source and "**Points:** 4." in title.source
    assert setup.metadata == {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert setup.source.startswith("#@title ")
    assert '"gguf>=0.17",' in setup.source and '"some-data==1.2.3",' in setup.source
    assert "torch" not in setup.source and "nbgrader" not in setup.source  # Colab's own, and not for learners


def test_set_up_does_nothing_outside_colab(golden):
    source = cell(edition(golden), "colab-setup").source
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_hidden_tests_are_there_to_run(golden):
    source = cell(edition(golden), "test_mean").source
    assert "check.raises(ValueError, mean, [])" in source
    assert source.splitlines()[-1] == 'print("mean: every check passed")'
    assert selfstudy.HIDDEN_LINE in source


def test_worked_solution_is_folded_beneath_the_test(golden):
    notebook = edition(golden)
    ids = [one.id for one in notebook.cells]
    solution = cell(notebook, "mean-solution")
    assert ids.index("mean") + 2 == ids.index("test_mean") + 1 == ids.index("mean-solution")
    assert solution.metadata.cellView == "form" and solution.metadata.jupyter.source_hidden
    assert solution.source.startswith("#@title ") and "def solution_mean(" in solution.source
    assert "def mean" not in solution.source


def test_model_answer_is_folded_beneath_the_question(golden):
    notebook = edition(golden)
    answer = cell(notebook, "written_median-answer")
    assert notebook.cells.index(answer) == notebook.cells.index(cell(notebook, "written_median")) + 1
    assert answer.source.startswith("<details><summary>") and "median only on their order" in answer.source


def test_pictures_travel_in_the_text(golden):
    text = "".join(one.source for one in edition(golden).cells)
    assert "(data:image/svg+xml;base64," in text and "two_heaps.svg" not in text


def test_run_all_passes_by_what_is_not_written(golden, edit):
    edit("# %% [markdown]\n# ## Recap\n", VALUE)
    notebook = edition(golden)
    NotebookClient(notebook, timeout=120).execute()  # raises where a cell stops the run
    assert errors(cell(notebook, "test_mean")) == ["NotImplementedError"]
    assert errors(cell(notebook, "answer")) == ["NotImplementedError"]
    for one in code(notebook)[-2:]:
        assert errors(one) == ["NameError"]


def test_run_all_keeps_the_learners_own_answer(golden, edit):
    edit("# %% [markdown]\n# ## Recap\n", VALUE)
    notebook = edition(golden)
    own = "def mean(values):\n    assert values, 'mine'\n    return sum(values) / len(values)"
    cell(notebook, "mean").source = own
    cell(notebook, "answer").source = "answer = 42.0"
    notebook.cells.append(nbformat.v4.new_code_cell(
        "try:\n    mean([])\nexcept AssertionError as error:\n"
        "    print(error, solution_mean([1.0, 2.0]), solution_answer)"))
    NotebookClient(notebook, timeout=120).execute()
    assert errors(cell(notebook, "test_mean")) == ["CheckFailed"]  # an empty list: the hidden tests are real
    assert "every check passed" in printed(cell(notebook, "test_answer"))
    assert printed(notebook.cells[-1]) == "mine 1.5 42.0\n"


def test_on_colab_it_installs_and_run_all_goes_on(golden, tmp_path):
    """The kernel believes that it is Colab's; tags are taken off, as if the front end did not know them."""
    notebook = edition(golden)
    for one in notebook.cells:
        one.metadata.pop("tags", None)
    pretend = nbformat.v4.new_code_cell(
        "import subprocess, sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
        "subprocess.run = lambda command, check: print(*command[-4:])")
    notebook.cells.insert(0, pretend)
    NotebookClient(notebook, timeout=120).execute()
    said = printed(cell(notebook, "colab-setup")).splitlines()
    assert said[0] == "--branch main https://github.com/someone/tiny-course /content/tiny-course"
    assert said[1].endswith("install --quiet gguf>=0.17")
    assert said[2].endswith("--no-deps some-data==1.2.3") and said[3] == "Ready."
    assert errors(cell(notebook, "test_mean")) == ["NotImplementedError"]


@pytest.mark.parametrize(("code_in", "code_out"), [
    ("def f(x):\n    return f(x.f, f=1) + f  # f", "def s_f(x):\n    return s_f(x.f, f=1) + s_f  # f"),
    ('def f():\n    """f of f"""\n    return "f"', 'def s_f():\n    """f of f"""\n    return "f"'),
    ("class f(B):\n    def g(self):\n        return f()", "class s_f(B):\n    def g(self):\n        return s_f()"),
    ("f = g(1)", "s_f = g(1)"),
    ("f = [f for f in (1, 2)]", "s_f = [s_f for s_f in (1, 2)]"),
])
def test_renaming(code_in, code_out):
    assert selfstudy.renamed(code_in, {"f": "s_f"}) == code_out
