"""Read a submitted notebook however bruised it is: any encoding, any notebook format, any nonsense in its metadata."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from pathlib import Path

MAX_BYTES = 50 * 2**20  # a lesson without outputs has less than 200 KB


class Unreadable(Exception):
    """The file is no notebook; the message says why, in a sentence without its subject: "is empty"."""


@dataclass(frozen=True)
class SubmittedCell:
    """What grading looks at in a cell of a student: never its tags, outputs or other metadata."""

    index: int
    cell_type: str
    source: str
    grade_id: str | None  # from its nbgrader metadata
    cell_id: str | None  # the notebook format's own id, which a build sets to the grade_id


@dataclass
class SubmittedNotebook:
    cells: list[SubmittedCell]
    kernel: str | None
    notes: list[str] = field(default_factory=list)


def read_notebook(path: Path) -> SubmittedNotebook:
    """Read `path`. Raises Unreadable with the reason."""
    return parse_notebook(read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of an ordinary file: no link, no pipe, nothing huge."""
    try:
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            raise Unreadable("is a symbolic link, which grading does not follow")
        if not stat.S_ISREG(info.st_mode):
            raise Unreadable("is not an ordinary file")
        if info.st_size > MAX_BYTES:
            raise Unreadable(f"has {info.st_size / 2**20:.0f} MB, more than the {MAX_BYTES // 2**20} MB that a "
                             "notebook may have (clear its outputs)")
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be opened ({error.strerror or error})") from error


def parse_notebook(raw: bytes) -> SubmittedNotebook:
    notes: list[str] = []
    document = _json(raw, notes)
    if not isinstance(document, dict):
        raise Unreadable("is JSON, but not a notebook")
    cells = document.get("cells")
    if cells is None and isinstance(document.get("worksheets"), list):
        notes.append("the file is in the notebook format of before 2015")
        sheets = [sheet for sheet in document["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise Unreadable("is JSON, but not a notebook: it has no list of cells")
    found = [_cell(index, cell) for index, cell in enumerate(cells) if isinstance(cell, dict)]
    return SubmittedNotebook(found, _text(_dig(document, "metadata", "kernelspec", "name")), notes)


def _json(raw: bytes, notes: list[str]) -> object:
    if not raw.strip():
        raise Unreadable("is empty")
    text = _decoded(raw, notes)
    if not text.strip():
        raise Unreadable("is empty")
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable("is nested too deep for a notebook") from None
    except ValueError as error:
        if any(line.startswith("<<<<<<< ") for line in text.splitlines()):
            raise Unreadable("holds the marks of an unfinished Git merge (<<<<<<<)") from None
        if not text.lstrip().startswith("{"):
            raise Unreadable("is not a notebook: its content is not JSON") from None
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"is broken JSON{where}: the file was cut off or edited by hand") from None


def _decoded(raw: bytes, notes: list[str]) -> str:
    encoding = json.detect_encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        encoding, text = "Windows-1252", raw.decode("cp1252", errors="replace")
    if encoding == "utf-8-sig":
        notes.append("the file starts with a byte order mark")
    elif encoding != "utf-8":
        notes.append(f"the file is written in {encoding.upper() if encoding.islower() else encoding}, not UTF-8")
    return text


def _cell(index: int, cell: dict) -> SubmittedCell:
    kind = _text(cell.get("cell_type")) or "unknown"
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    grade_id = _text(_dig(cell, "metadata", "nbgrader", "grade_id"))
    return SubmittedCell(index, kind, _clean(source), grade_id, _text(cell.get("id")))


def _clean(source: object) -> str:
    """Text that can be written as UTF-8 again: JSON may hold lone surrogates, an editor may leave \\r\\n."""
    text = source if isinstance(source, str) else ""
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _dig(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
