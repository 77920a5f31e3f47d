"""The installed kernelspec gives warm, walled kernels to nbclient, papermill and nbgrader's own commands."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from autograder.authoring.build import build
from autograder.course import Course
from autograder.grading.provisioner import WarmForkProvisioner
from autograder.kernelspec import NAME, install

ROOT = Path(__file__).resolve().parents[2]
LOOK = f"""
import json, os, socket, sys
try:
    socket.create_connection(("127.0.0.1", 9), 1)
except OSError as error:
    net = error.errno
print(json.dumps({{"uid": os.getuid(), "here": sorted(os.listdir()), "net": net, "secret": os.environ.get("SECRET"),
                  "warm": "torch" in sys.modules, "source": os.path.exists({str(ROOT / "source")!r})}}))
"""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    install(folder)
    return folder


@pytest.fixture
def installed(prefix, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
    monkeypatch.setenv("SECRET", "of the grader's")


def client(folder, *sources, **options):
    return NotebookClient(new_notebook(cells=[new_code_cell(source) for source in sources]), kernel_name=NAME,
                          resources={"metadata": {"path": str(folder)}}, timeout=120, **options)


def printed(notebook, index=0):
    return "".join(out.get("text", "") for out in notebook.cells[index].outputs)


def test_the_entry_point_is_in_the_metadata_of_the_package(prefix, installed):
    (found,) = entry_points(group="jupyter_client.kernel_provisioners", name="course-warm-fork")
    assert found.load() is WarmForkProvisioner
    assert NAME in KernelSpecManager().find_kernel_specs()
    spec = json.loads((prefix / "share" / "jupyter" / "kernels" / NAME / "kernel.json").read_text())
    assert spec["metadata"]["kernel_provisioner"]["provisioner_name"] == "course-warm-fork"


def test_nbclient_runs_in_a_box_with_what_lies_beside_the_notebook(installed, tmp_path):
    (tmp_path / "data.txt").write_text("beside")
    seen = json.loads(printed(client(tmp_path, LOOK).execute()))
    assert seen == {"uid": seen["uid"], "here": ["data.txt"], "net": 111, "secret": None, "warm": True, "source": False}
    assert seen["uid"] != 0
    # Another kernel, another box: nothing of the first is left.
    one = client(tmp_path, "open('note.txt', 'w').write('x'); import torch; torch.foo = 1", "input_ids = [1]")
    two = client(tmp_path, "import os, torch; print(os.path.exists('note.txt'), hasattr(torch, 'foo'))")
    one.execute()
    assert printed(two.execute()) == "False False\n"


def test_errors_interrupts_and_deaths_are_what_nbclient_expects(installed, tmp_path):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        client(tmp_path, "1 / 0").execute()
    loop = client(tmp_path, "while True: pass", "print('alive')", interrupt_on_timeout=True, allow_errors=True)
    loop.timeout = 3
    assert printed(loop.execute(), 1) == "alive\n"
    hung = client(tmp_path, "while True: pass")
    hung.timeout = 3
    with pytest.raises(CellTimeoutError):
        hung.execute()
    with pytest.raises(DeadKernelError):
        client(tmp_path, "import os; os._exit(3)").execute()


def test_papermill(installed, tmp_path):
    import papermill

    source = new_notebook(cells=[new_code_cell("n = 1", metadata={"tags": ["parameters"]}), new_code_cell("print(n)")],
                          metadata={"kernelspec": {"name": NAME, "display_name": NAME, "language": "python"}})
    nbformat.write(source, tmp_path / "in.ipynb")
    papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", parameters={"n": 41}, cwd=tmp_path,
                               progress_bar=False)
    assert "41" in printed(nbformat.read(tmp_path / "out.ipynb", 4), -1)


def test_nbgrader_autograde(prefix, installed, tmp_path):
    from nbgrader.api import Gradebook

    root = tmp_path / "course"
    shutil.copytree(ROOT / "tests" / "golden" / "course", root)
    for name in ("nbgrader_config.py", "jupytext.toml"):
        shutil.copy(ROOT / name, root)
    course = Course(root)
    build(course)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def nbgrader(*command):
        done = subprocess.run([sys.executable, "-m", "nbgrader", *command], cwd=root, env=environment, timeout=300,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    nbgrader("generate_assignment", "01_tiny", "--force")
    notebook = nbformat.read(course.release("01_tiny"), as_version=4)
    for cell in notebook.cells:
        if cell.id == "mean":
            cell.source = ("def mean(values):\n    import os\n    assert os.getuid() != 0\n    if not values:\n"
                           "        raise ValueError('none')\n    return sum(values) / len(values)")
    target = root / "submitted" / "ada" / "01_tiny" / "01_tiny.ipynb"
    target.parent.mkdir(parents=True)
    nbformat.write(notebook, target)
    nbgrader("autograde", "01_tiny", f"--Execute.kernel_name={NAME}")
    with Gradebook(f"sqlite:///{root}/gradebook.db") as book:
        grades = book.find_submission_notebook("01_tiny", "01_tiny", "ada").grades
        assert {grade.name: grade.auto_score for grade in grades}["test_mean"] == 3
