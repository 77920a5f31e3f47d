"""Files are whole or absent, whatever happens while they are made."""

import os
import stat
import subprocess
import sys

import pytest

from helpers.files import cache_dir, locked, whole_folder, write_atomically


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = write_atomically(tmp_path / "deep" / "file", "first")
    with pytest.raises(TypeError):
        write_atomically(path, 3)
    assert path.read_text() == "first" and os.listdir(path.parent) == ["file"]
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"


def test_others_may_read_what_is_written(tmp_path):
    path = write_atomically(tmp_path / "file", "text")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "made"
    with pytest.raises(RuntimeError), whole_folder(target) as scratch:
        (scratch / "half").write_text("x")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with whole_folder(target) as scratch:
        (scratch / "file").write_text("x")
        assert not target.exists()
    assert os.listdir(target) == ["file"] and os.listdir(tmp_path) == ["made"]


def test_the_first_of_two_makers_wins(tmp_path):
    target = tmp_path / "made"
    with whole_folder(target) as slow:
        (slow / "file").write_text("slow")
        with whole_folder(target) as quick:
            (quick / "file").write_text("quick")
    assert (target / "file").read_text() == "quick" and os.listdir(tmp_path) == ["made"]


def test_a_lock_makes_another_process_wait(tmp_path):
    path = str(tmp_path / "x")
    code = f"from pathlib import Path; from helpers.files import locked\nwith locked(Path({path!r})): pass"
    with locked(tmp_path / "x"):
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1.5)
    assert other.wait(60) == 0


def test_the_cache_moves_with_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    assert cache_dir("models") == tmp_path / "cache" / "models"
    assert (tmp_path / "cache" / "models").is_dir()
