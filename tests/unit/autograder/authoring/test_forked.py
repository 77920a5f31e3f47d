"""Forked children: what they return, how they may end, and that the parent never notices."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from autograder.authoring.forked import Task, run_forked


def outcomes(*tasks, jobs=2):
    return dict(run_forked([task if isinstance(task, Task) else Task(task, 5) for task in tasks], jobs))


def test_children_return_data_and_leave_the_parent_alone(capfd):
    seen = []

    def task(number):
        seen.append(number)
        print("from the child")
        os.write(2, b"from the child")
        return {"number": number, "seen": list(seen)}

    got = outcomes(*[lambda number=number: task(number) for number in range(5)])
    assert got == {number: {"number": number, "seen": [number]} for number in range(5)}
    assert seen == []
    assert capfd.readouterr() == ("", "")


def test_a_child_that_ends_in_its_own_way_is_told_apart():
    def loop():
        while True:
            pass

    def too_much():
        try:
            return {"got": np.ones(1 << 40).nbytes}
        except MemoryError:
            return {"status": "no memory"}

    got = outcomes(Task(loop, 1), lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGSEGV),
                   lambda: sys.exit("bye"), lambda: {"fine": True}, too_much)
    assert got[0] == {"status": "timeout", "message": "timed out after 1 s"}
    assert got[1] == {"status": "killed", "message": "left with exit code 3"}
    assert got[2] == {"status": "killed", "message": "died of SIGSEGV"}
    assert got[3]["status"] == "killed"
    assert got[4] == {"fine": True}
    assert got[5] == {"status": "no memory"}


def test_one_that_sleeps_past_its_time_is_ended(monkeypatch):
    monkeypatch.setattr(Task, "wall_seconds", 0.5)
    began = time.monotonic()
    assert outcomes(lambda: time.sleep(60) or {})[0]["status"] == "timeout"
    assert time.monotonic() - began < 10


def test_a_big_answer_comes_through_whole():
    assert len(outcomes(lambda: {"text": "x" * 3_000_000})[0]["text"]) == 3_000_000


def test_no_more_than_jobs_at_a_time():
    def interval():
        began = time.monotonic()
        time.sleep(0.2)
        return {"began": began, "ended": time.monotonic()}

    one, two = outcomes(interval, interval, jobs=1).values()
    assert one["ended"] <= two["began"]


def test_stopping_early_leaves_no_child_behind():
    before = set(psutil.Process().children())  # other tests of this process may have servers running
    tasks = [Task(lambda: {}, 5), Task(lambda: time.sleep(30) or {}, 5)]
    results = run_forked(tasks, 2)
    next(results)
    assert len(set(psutil.Process().children()) - before) == 1
    results.close()
    assert set(psutil.Process().children()) <= before


def test_a_parent_that_is_killed_takes_its_children_along(tmp_path):
    code = ("import os, time, signal, sys\nfrom autograder.authoring.forked import Task, run_forked\n"
            "def run():\n    open(sys.argv[1], 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
            "list(run_forked([Task(run, 60)]))\n")
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", code, str(note)])
    deadline = time.monotonic() + 20
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    child = Path(f"/proc/{note.read_text()}/stat")
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"
