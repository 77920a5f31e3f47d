import subprocess
import sys
import threading

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from helpers import runtime


@pytest.fixture
def nowhere(monkeypatch):
    for name in ("NBGRADER_EXECUTION", "COLAB_RELEASE_TAG", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def outputs_of(source: str) -> list:
    """What a real kernel sends back for one cell when a program runs it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    return notebook.cells[0].outputs


def test_device_is_cuda_only_where_torch_sees_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.device() == torch.device("cuda")


def test_pick_follows_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.pick(cpu=20, gpu=2000) == 20
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.pick(cpu=20, gpu=2000) == 2000


def test_the_grader_is_known_by_its_environment(nowhere):
    assert not runtime.in_grader()
    nowhere.setenv("NBGRADER_EXECUTION", "autograde")
    assert runtime.in_grader()


def test_colab_is_known_by_its_environment(nowhere):
    assert not runtime.in_colab()
    nowhere.setenv("COLAB_RELEASE_TAG", "release-colab_20260101")
    assert runtime.in_colab()


def test_a_plain_process_has_no_kernel_and_no_front_end(nowhere):
    nowhere.setenv("JPY_SESSION_NAME", "lesson.ipynb")  # inherited, say, by a script started from a notebook
    assert not runtime.has_kernel()
    assert not runtime.has_front_end()


def test_a_kernel_run_by_a_program_has_no_front_end_but_one_of_a_server_has(nowhere):
    ask = (
        "import os, sys, threading\n"
        "from helpers import runtime\n"
        "a = runtime.has_kernel(), runtime.has_front_end()\n"
        "print([i for i in runtime.progress(range(3), 'work')], file=open(os.devnull, 'w'))\n"
        "kernel = get_ipython().kernel\n"
        "message = dict(kernel.get_parent('shell'))\n"
        "kernel.get_parent = lambda channel=None: {**message, 'metadata': {'cellId': 'a1'}}\n"
        "b = runtime.has_front_end()\n"
        "del kernel.get_parent\n"
        "os.environ['JPY_SESSION_NAME'] = 'lesson.ipynb'\n"
        "c = runtime.has_front_end()\n"
        "os.environ['NBGRADER_EXECUTION'] = 'autograde'\n"
        "d = runtime.has_front_end()\n"
        "(a, b, c, d)"
    )
    outputs = outputs_of(ask)
    assert [output.output_type for output in outputs] == ["execute_result"], outputs  # and nothing on stderr
    assert outputs[0].data["text/plain"] == "((True, False), True, True, False)"


@pytest.mark.parametrize("grading", [False, True])
def test_progress_yields_everything_and_is_silent_where_nobody_looks(nowhere, capsys, grading):
    if grading:
        nowhere.setenv("NBGRADER_EXECUTION", "autograde")
        nowhere.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bar = runtime.progress(iter("abc"), "letters")
    bar.set_postfix(loss=1.0)
    assert list(bar) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_progress_shows_a_bar_in_a_terminal_and_starts_no_thread(nowhere, capsys):
    nowhere.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    before = set(threading.enumerate())
    assert sum(runtime.progress(range(4), "sum")) == 6
    assert set(threading.enumerate()) <= before
    assert "sum: 100%" in capsys.readouterr().err


def test_importing_it_is_cheap():
    code = "import sys, helpers.runtime; print([m for m in ('torch', 'IPython', 'tqdm') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
