"""Unpack a ZIP of submissions without trusting it: nothing leaves the folder, no links, no bombs."""

from __future__ import annotations

import os
import stat
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from autograder.errors import UsageError
from autograder.grading.reading import MAX_BYTES

MAX_MEMBERS = 50_000
MAX_TOTAL = 4 * 2**30  # bytes of notebooks in one archive
_CHUNK = 1 << 20


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack the notebooks of `archive` under `folder` and return what was left out, one sentence each.

    Other files become empty ones of the same name, so that a student who handed in no notebook is still seen.
    Raises UsageError if the file is no ZIP, or claims more than any class needs.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            if len(members) > MAX_MEMBERS:
                raise UsageError(f"{archive} holds {len(members)} files, more than {MAX_MEMBERS}: it is no class.")
            return _members(file, members, folder)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError) as error:
        raise UsageError(f"{archive} is not a ZIP file that can be read ({error}).") from error


def _members(file: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> list[str]:
    notes, total = [], 0
    for member in members:
        target = _inside(member.filename, folder)
        if target is None:
            notes.append(f"{member.filename!r} points outside the archive and was left out.")
            continue
        try:
            total += _unpack_one(file, member, target, notes)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError, EOFError) as error:
            # One damaged or encrypted member does not cost the others: its empty file becomes `unreadable`.
            notes.append(f"{member.filename!r} could not be unpacked ({error}).")
        if total > MAX_TOTAL:
            raise UsageError(f"The archive unpacks to more than {MAX_TOTAL >> 30} GB; hand in notebooks only.")
    return notes


def _unpack_one(file: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, notes: list[str]) -> int:
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()
    if stat.S_ISLNK(member.external_attr >> 16):
        notes.append(f"{member.filename!r} is a symbolic link and was left out.")
        return 0
    return _copy(file, member, target) if target.suffix.lower() == ".ipynb" else 0


def _inside(name: str, folder: Path) -> Path | None:
    """Where a member goes; None if its name would leave the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name.split("/")[0] or "\0" in name:
        return None
    target = folder.joinpath(*path.parts)
    return target if target != folder else None


def _copy(file: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> int:
    """Copy at most one byte more than a notebook may have, whatever size the archive claims."""
    size = 0
    with file.open(member) as source, target.open("wb") as copy:
        while size <= MAX_BYTES and (chunk := source.read(min(_CHUNK, MAX_BYTES + 1 - size))):
            size += len(chunk)
            copy.write(chunk)
    try:
        when = time.mktime((*member.date_time, 0, 0, -1))
        os.utime(target, (when, when))
    except (ValueError, OverflowError):
        pass  # a date that does not exist; only the choice between several notebooks uses it
    return size
