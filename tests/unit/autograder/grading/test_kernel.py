"""One kernel, watched from outside."""

import asyncio
import os
import threading
import time

import nbformat
import pytest

from autograder.grading.kernel import Kernel, Stopped, environment
from autograder.grading.limits import Limits
from autograder.grading.traceback_text import Frame


def run(*sources, seconds=20.0, limits=None, **options):
    """Run sources as cells 0, 1, ... of one kernel; returns the replies, the cells and the kernel."""
    async def go():
        kernel = await Kernel(limits or Limits(grace=1), **options).start()
        try:
            replies = []
            for index, source in enumerate(sources):
                cell = nbformat.v4.new_code_cell(source)
                reply = await kernel.run(index, cell, seconds)
                replies.append((reply, cell))
                if not reply.alive:
                    break
            return replies, kernel
        finally:
            await kernel.stop()

    return asyncio.run(go())


def text(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_cells_share_a_namespace_and_outputs_are_kept():
    replies, _ = run("x = 3", "print(x + 1)")
    assert [reply.status for reply, _ in replies] == ["ok", "ok"]
    assert text(replies[1][1]) == "4\n"


def test_an_error_says_where_it_came_from():
    (_, (reply, _)), _ = run("def f():\n    raise ValueError('bad')", "1\nf()")
    assert (reply.status, reply.ename, reply.evalue) == ("error", "ValueError", "bad")
    assert reply.frames == [Frame(1, 2), Frame(0, 2)]
    assert reply.alive


def test_a_loop_is_interrupted_and_the_kernel_lives():
    replies, _ = run("while True: pass", "print('still here')", seconds=1.0)
    assert replies[0][0].status == "timeout"
    assert replies[0][0].alive
    assert text(replies[1][1]) == "still here\n"


def test_a_loop_that_ignores_the_interrupt_is_killed_soon():
    start = time.monotonic()
    (reply, _), = run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", seconds=1.0)[0]
    assert (reply.status, reply.alive) == ("timeout", False)
    assert time.monotonic() - start < 12


@pytest.mark.parametrize("source, code", [("import os; os._exit(3)", 3),
                                          ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -11)])
def test_a_dead_process_is_seen(source, code):
    (reply, _), = run(source)[0]
    assert (reply.status, reply.alive, reply.exit_code) == ("killed", False, code)


def test_a_process_that_the_system_killed_ran_out_of_memory():
    (reply, _), = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")[0]
    assert reply.status == "memory"


def test_quitting_is_not_blamed_on_the_next_cell():
    replies, _ = run("quit()", "print(1)")
    assert len(replies) == 1
    assert (replies[0][0].status, replies[0][0].alive) == ("killed", False)


def test_sys_exit_only_ends_the_cell():
    replies, _ = run("import sys; sys.exit(0)", "print(1)")
    assert [(reply.status, reply.ename) for reply, _ in replies] == [("error", "SystemExit"), ("ok", "")]


def test_memory_is_watched_with_that_of_child_processes():
    source = ("import subprocess, sys\n"
              "subprocess.run([sys.executable, '-c', 'x = b\"1\" * 400_000_000; import time; time.sleep(60)'])")
    (reply, _), = run(source, limits=Limits(memory=300 << 20))[0]
    assert (reply.status, reply.alive) == ("memory", False)


def test_a_flood_of_output_ends_the_kernel_and_is_not_kept():
    (reply, cell), = run("while True: print('x' * 10_000)", limits=Limits(output=2 << 20))[0]
    assert (reply.status, reply.alive) == ("output", False)
    assert len(text(cell)) < 400_000


def test_what_is_displayed_again_from_another_cell_does_no_harm():
    replies, _ = run("h = display(1, display_id='a')", "print(1)", "h.update(2)", "print('on')")
    assert [reply.status for reply, _ in replies] == ["ok"] * 4


def test_child_processes_end_with_the_kernel(tools):
    source = ("import subprocess, sys\n"
              "sleep = [sys.executable, '-c', 'import time; time.sleep(100)']\n"
              "print(subprocess.Popen(sleep, start_new_session=True).pid)")
    (_, cell), = run(source)[0]
    pid = int(text(cell))
    deadline = time.monotonic() + 5
    while tools.alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not tools.alive(pid)


def test_the_working_folder_is_its_own_holds_the_lessons_files_and_goes(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.txt").write_text("A")
    (_, cell), = run("import os\nprint(os.getcwd(), open('pictures/a.txt').read())",
                     files=(tmp_path / "pictures" / "a.txt",), base=tmp_path)[0]
    folder, content = text(cell).split()
    assert content == "A"
    assert not os.path.exists(folder)  # noqa: PTH110
    assert not folder.startswith(str(tmp_path))


def test_the_environment_is_chosen_not_inherited(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("JUPYTER_PATH", "/nowhere")
    env = environment(tmp_path, 3)
    assert "secret" not in env.values()
    assert env["NBGRADER_EXECUTION"] == "autograde"
    assert env["OMP_NUM_THREADS"] == "3"
    assert env["MPLBACKEND"] == "Agg"
    assert env["HOME"] == str(tmp_path)


def test_kernels_do_not_depend_on_the_users_kernelspecs_or_startup_files(monkeypatch, tmp_path):
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "x.py").write_text("leaked = 1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "none"))
    (_, cell), = run("import sys\nprint('leaked' in globals(), sys.prefix)")[0]
    import sys
    assert text(cell).split() == ["False", sys.prefix]


def test_stopping_ends_a_running_cell_at_once():
    stopping = threading.Event()
    threading.Timer(2.5, stopping.set).start()
    start = time.monotonic()
    with pytest.raises(Stopped):
        run("while True: pass", seconds=60, stopping=stopping)
    assert time.monotonic() - start < 12
