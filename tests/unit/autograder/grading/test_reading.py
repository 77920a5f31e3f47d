"""Any file that still holds a notebook is read; any other says in a sentence why not."""

import json
import os

import pytest

from autograder.grading import reading
from autograder.grading.reading import Unreadable, parse_notebook, read_notebook


def notebook(*sources, **more):
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    return {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5, **more}


def test_source_kernel_and_ids_are_read():
    data = notebook("x = 1")
    data["cells"][0] |= {"id": "abc", "metadata": {"nbgrader": {"grade_id": "double"}, "tags": ["skip-execution"]}}
    read = parse_notebook(json.dumps(data).encode())
    cell, = read.cells
    assert (cell.source, cell.grade_id, cell.cell_id, cell.cell_type) == ("x = 1", "double", "abc", "code")
    assert read.kernel == "python3"
    assert read.notes == []


@pytest.mark.parametrize("encoding, said", [("utf-8-sig", "byte order mark"), ("utf-16", "UTF-16"),
                                            ("utf-16-le", "UTF-16-LE"), ("utf-16-be", "UTF-16-BE"),
                                            ("utf-32", "UTF-32"), ("cp1252", "Windows-1252")])
def test_other_encodings_are_read_and_noted(encoding, said):
    text = json.dumps(notebook("größe = 1"), ensure_ascii=False)
    read = parse_notebook(text.encode(encoding))
    assert read.cells[0].source == "größe = 1"
    assert said in read.notes[0]


def test_a_source_may_be_a_list_of_lines_and_may_have_windows_line_ends():
    read = parse_notebook(json.dumps(notebook(["a = 1\r\n", "b = 2"])).encode())
    assert read.cells[0].source == "a = 1\nb = 2"


def test_lone_surrogates_do_not_break_later_writing():
    read = parse_notebook(b'{"cells": [{"cell_type": "code", "source": "x = \'\\ud800\'"}]}')
    read.cells[0].source.encode("utf-8")


def test_the_old_notebook_format_is_read_and_noted():
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"]},
                                     {"cell_type": "markdown", "source": "words"}]}], "nbformat": 3}
    read = parse_notebook(json.dumps(old).encode())
    assert [cell.source for cell in read.cells] == ["x = 1", "words"]
    assert "before 2015" in read.notes[0]


@pytest.mark.parametrize("metadata", [None, [], "x", {"nbgrader": []}, {"nbgrader": {"grade_id": 3}}])
def test_nonsense_in_the_metadata_is_no_obstacle(metadata):
    data = {"cells": [{"cell_type": 3, "source": None, "metadata": metadata}, "no cell", 5], "metadata": metadata}
    read = parse_notebook(json.dumps(data).encode())
    assert len(read.cells) == 1
    assert read.cells[0].grade_id is None
    assert read.cells[0].source == ""


@pytest.mark.parametrize("raw, said", [
    (b"", "is empty"), (b" \n ", "is empty"), (b"\xef\xbb\xbf", "is empty"),
    (b'{"cells": [', "broken JSON"), (b"print(1)", "not JSON"), (b"[1, 2]", "not a notebook"),
    (b'{"a": 1}', "no list of cells"), (b'{"cells": {}}', "no list of cells"),
    (b'{"cells": [\n<<<<<<< HEAD\n]}', "Git merge"), (b'{"cells": ' + b"[" * 100_000, "too deep"),
    (b"PK\x03\x04\x00\x00", "not JSON"),
])
def test_what_is_no_notebook_says_why(raw, said):
    with pytest.raises(Unreadable, match=said):
        parse_notebook(raw)


def test_links_pipes_folders_and_giants_are_not_opened(tmp_path, monkeypatch):
    target = tmp_path / "other.ipynb"
    target.write_text(json.dumps(notebook("secret")))
    link = tmp_path / "link.ipynb"
    link.symlink_to(target)
    with pytest.raises(Unreadable, match="symbolic link"):
        read_notebook(link)
    os.mkfifo(tmp_path / "pipe.ipynb")
    with pytest.raises(Unreadable, match="not an ordinary file"):
        read_notebook(tmp_path / "pipe.ipynb")
    with pytest.raises(Unreadable, match="not an ordinary file"):
        read_notebook(tmp_path)
    with pytest.raises(Unreadable, match="cannot be opened"):
        read_notebook(tmp_path / "gone.ipynb")
    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    with pytest.raises(Unreadable, match="clear its outputs"):
        read_notebook(target)
