"""A ZIP is unpacked without leaving its folder, following a link or filling the disk."""

import stat
import zipfile

import pytest

from autograder.errors import UsageError
from autograder.grading import archive
from autograder.grading.archive import unpack


@pytest.fixture
def zipped(tmp_path):
    def write(members, **options):
        path = tmp_path / "class.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
            for name, data in members:
                file.writestr(name, data)
        folder = tmp_path / "unpacked"
        folder.mkdir()
        return path, folder

    return write


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_notebooks_are_unpacked_and_other_files_only_named(zipped):
    path, folder = zipped([("ann/u/u.ipynb", "{}"), ("bob/essay.pdf", "x" * 1000), ("cy/", "")])
    assert unpack(path, folder) == []
    assert (folder / "ann/u/u.ipynb").read_text() == "{}"
    assert (folder / "bob/essay.pdf").stat().st_size == 0
    assert (folder / "cy").is_dir()


@pytest.mark.parametrize("name", ["../evil.ipynb", "/etc/evil.ipynb", "a/../../evil.ipynb", "..\\evil.ipynb",
                                  "C:\\evil.ipynb"])
def test_nothing_leaves_the_folder(zipped, name):
    path, folder = zipped([(name, "{}"), ("ann/u.ipynb", "{}")])
    notes = unpack(path, folder)
    assert "points outside" in notes[0]
    assert files(folder.parent) == ["class.zip", "unpacked/ann/u.ipynb"]


def test_links_are_left_out_and_named(zipped):
    link = zipfile.ZipInfo("ann/u.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path, folder = zipped([(link, "/etc/passwd")])
    assert "symbolic link" in unpack(path, folder)[0]
    assert (folder / "ann/u.ipynb").read_text() == ""
    assert not (folder / "ann/u.ipynb").is_symlink()


def test_a_giant_member_is_cut_off(zipped, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    path, folder = zipped([("ann/u.ipynb", "0" * 100_000)])
    unpack(path, folder)
    assert (folder / "ann/u.ipynb").stat().st_size == 1001  # one more than is read: it becomes unreadable


def test_an_archive_that_is_too_much_in_all_is_refused(zipped, monkeypatch):
    path, folder = zipped([(f"s{i}.ipynb", "0" * 1000) for i in range(20)])
    monkeypatch.setattr(archive, "MAX_TOTAL", 5000)
    with pytest.raises(UsageError, match="unpacks to more"):
        unpack(path, folder)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 10)
    with pytest.raises(UsageError, match="20 files"):
        unpack(path, folder)


def test_one_damaged_member_does_not_cost_the_others(zipped):
    path, folder = zipped([("ann/u.ipynb", "a" * 5000), ("bob/u.ipynb", "{}")])
    raw = bytearray(path.read_bytes())
    at = raw.index(b"ann/u.ipynb") + len(b"ann/u.ipynb")
    raw[at:at + 8] = b"\xff" * 8
    path.write_bytes(raw)
    notes = unpack(path, folder)
    assert "could not be unpacked" in notes[0]
    assert (folder / "bob/u.ipynb").read_text() == "{}"


def test_a_member_that_is_both_file_and_folder_does_not_stop_the_rest(zipped):
    path, folder = zipped([("a.ipynb", "{}"), ("a.ipynb/b.ipynb", "{}"), ("c.ipynb", "{}")])
    assert len(unpack(path, folder)) == 1
    assert files(folder) == ["a.ipynb", "c.ipynb"]


def test_what_is_no_zip_says_so(tmp_path):
    path = tmp_path / "class.zip"
    path.write_text("no")
    with pytest.raises(UsageError, match="not a ZIP"):
        unpack(path, tmp_path)
