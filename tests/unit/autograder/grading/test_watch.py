"""What the processes of a submission use together."""

import os
import subprocess
import sys
import time

from autograder.grading.watch import Usage, family, too_much, usage

CHILD = """
import subprocess, sys, time
held = bytearray(b"x") * (150 << 20)
if len(sys.argv) > 1:
    subprocess.Popen([sys.executable, sys.argv[0]])
print("ready", flush=True)
time.sleep(60)
"""


def test_a_family_is_counted_together(tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    parent = subprocess.Popen([sys.executable, str(script), "again"], stdout=subprocess.PIPE, text=True)
    try:
        assert [parent.stdout.readline(), parent.stdout.readline()] == ["ready\n"] * 2
        pids = family([parent.pid])
        assert len(pids) == 2
        used = usage([parent.pid], None)
        assert 300 << 20 < used.memory < 500 << 20
        assert used.files == 0
    finally:
        for pid in reversed(family([parent.pid])):
            os.kill(pid, 9)
        parent.wait()
    time.sleep(0.05)
    assert usage([parent.pid], None).memory == 0


def test_what_is_too_much():
    assert too_much(Usage(), 1 << 30) is None
    assert too_much(Usage(memory=(1 << 30) + 1), 1 << 30) == "memory"
    assert too_much(Usage(files=1_000_000), 1 << 30) == "files"
    assert too_much(Usage(free=1, memory=600 << 20), 1 << 30) == "memory"
    assert too_much(Usage(free=1, memory=100 << 20), 1 << 30) == "crowded"  # somebody else took it
