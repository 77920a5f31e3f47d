"""Find who handed in what, in a folder or a ZIP, in any layout that a class or a learning platform produces.

    STUDENT/UNIT/UNIT.ipynb      nbgrader's submitted/
    STUDENT/anything.ipynb       a folder a student, the file renamed
    STUDENT.ipynb                flat; also STUDENT_UNIT.ipynb, UNIT_STUDENT.ipynb, with - or space for _
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from autograder.errors import UsageError
from autograder.grading.reading import SubmittedNotebook, Unreadable, read_notebook

_MAX_DEPTH = 6
_MAX_CANDIDATES = 20
_JUNK = {"__MACOSX", "__pycache__", "node_modules"}


@dataclass
class Submission:
    """One student and the notebook that will be graded; `path` is None where there is none."""

    student: str
    path: Path | None = None
    notes: list[str] = field(default_factory=list)
    absence: str = "handed in nothing"  # why `path` is None


@dataclass(frozen=True)
class Lookup:
    """What is looked for: the unit, the course's other units, and the answer cells with their untouched source."""

    unit: str
    units: tuple[str, ...]
    stubs: dict[str, str]

    def is_other_unit(self, name: str) -> bool:
        return name != self.unit and name in self.units

    def names_other_unit(self, stem: str) -> bool:
        """Is this flat file STUDENT_UNIT of another unit?"""
        return any(stem != unit and (stem.startswith(unit) or stem.endswith(unit))
                   for unit in self.units if unit != self.unit)

    def answered(self, notebook: SubmittedNotebook) -> tuple[int, int]:
        """(how many answer cells of the unit the notebook has, how many of them are written in)."""
        mine = [cell for cell in notebook.cells if cell.grade_id in self.stubs]
        return len(mine), sum(cell.source.strip() != self.stubs[cell.grade_id].strip() for cell in mine)


def find_submissions(folder: Path, lookup: Lookup) -> list[Submission]:
    """Everyone who handed in anything in `folder`, sorted by name. Raises UsageError if it holds nobody."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder of submissions at {folder}.")
    root = _unwrapped(folder, lookup)
    found: dict[str, list[Path]] = {}
    for entry in _entries(root):
        if entry.is_dir() or (entry.is_symlink() and entry.suffix.lower() != ".ipynb"):
            found.setdefault(_printable(entry.name), []).append(entry)
        elif entry.suffix.lower() == ".ipynb" and not lookup.names_other_unit(entry.stem):
            found.setdefault(_printable(_student(entry.stem, lookup)), []).append(entry)
    if not found:
        raise UsageError(f"{folder} holds no submissions: wanted STUDENT/{lookup.unit}/{lookup.unit}.ipynb, "
                         "STUDENT/any_name.ipynb or STUDENT.ipynb.")
    return [_readable(student, places, lookup) for student, places in sorted(found.items())]


def read_roster(path: Path) -> list[str]:
    """Student ids from a list, one a line, or from the first column or the column `id` or `student` of a CSV."""
    try:
        lines = [line for line in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"The roster {path} cannot be read ({error}).") from error
    column = 0
    if lines:
        names = [name.strip().lower() for name in lines[0]]
        heads = [i for i, name in enumerate(names) if name in {"id", "student", "student_id"}]
        if heads:
            column, lines = heads[0], lines[1:]
    students = sorted({line[column].strip() for line in lines if len(line) > column and line[column].strip()})
    for student in students:
        if student in {".", ".."} or any(sign in student for sign in "/\\\0"):
            raise UsageError(f"The roster {path} names {student!r}, which can be no student: it would be a path.")
    return students


def _unwrapped(folder: Path, lookup: Lookup) -> Path:
    """Step into a folder that only wraps the class, as archives and learning platforms make them."""
    for _ in range(_MAX_DEPTH):
        entries = _entries(folder)
        if len(entries) != 1 or entries[0].is_symlink() or not entries[0].is_dir():
            return folder
        inner = _entries(entries[0])
        notebooks = [path for path in inner if path.suffix.lower() == ".ipynb" and not path.is_dir()]
        folders = [path for path in inner if path.is_dir() and not path.is_symlink()]
        is_student = (any(path.name in lookup.units for path in folders)
                      or any(path.stem == lookup.unit for path in notebooks)
                      or (not folders and len(notebooks) < 2))
        if entries[0].name != "submitted" and is_student:
            return folder
        folder = entries[0]
    return folder


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in _JUNK)


def _student(stem: str, lookup: Lookup) -> str:
    """The student in a flat file name: what is left when the unit's name is taken off."""
    unit = re.escape(lookup.unit)
    for pattern in (rf"^(.+?)[ _\-.]+{unit}$", rf"^{unit}[ _\-.]+(.+)$"):
        match = re.match(pattern, stem, re.IGNORECASE)
        if match:
            return match[1]
    return stem


def _readable(student: str, places: list[Path], lookup: Lookup) -> Submission:
    try:
        return _submission(student, places, lookup)
    except OSError as error:
        return Submission(student, absence=f"handed in something that cannot be opened ({error.strerror})")


def _printable(name: str) -> str:
    """A file name may hold anything; a student's name goes into tables, pages and terminals."""
    return "".join(sign if sign.isprintable() else "?" for sign in name)


def _submission(student: str, places: list[Path], lookup: Lookup) -> Submission:
    notebooks, others = [], []
    for place in places:
        for path in _files(place, lookup):
            (notebooks if path.suffix.lower() == ".ipynb" else others).append(path)
    if not notebooks:
        absence = "handed in a folder without a notebook"
        if others:
            absence = f"handed in no notebook, only {_listed(path.name for path in others)}"
        return Submission(student, absence=absence)
    if len(notebooks) == 1:
        return Submission(student, notebooks[0], _renamed(notebooks[0], places, lookup))
    chosen = max(notebooks[:_MAX_CANDIDATES], key=lambda path: _merit(path, lookup))
    rest = _listed(str(path.relative_to(places[0].parent)) for path in notebooks if path != chosen)
    notes = [f"{len(notebooks)} notebooks were handed in; {chosen.name} was graded, not {rest}"]
    return Submission(student, chosen, notes)


def _files(place: Path, lookup: Lookup, depth: int = 0) -> list[Path]:
    """The files of a student, not those in the folders of other units; links are listed, never followed."""
    if place.is_symlink() or not place.is_dir():
        return [place]
    files: list[Path] = []
    for entry in _entries(place):
        is_folder = entry.is_dir() and not entry.is_symlink()
        if lookup.is_other_unit(entry.name if is_folder else entry.stem):
            continue
        if is_folder and depth >= _MAX_DEPTH:
            continue
        files += _files(entry, lookup, depth + 1)
    return files


def _merit(path: Path, lookup: Lookup) -> tuple:
    """Which of several notebooks is the one: of this unit, written in, rightly named, newest."""
    try:
        cells, answers = lookup.answered(read_notebook(path))
    except Unreadable:
        cells, answers = 0, 0
    exact = path.stem == lookup.unit
    in_place = exact and path.parent.name == lookup.unit
    return cells > 0, answers > 0, in_place, exact, answers, path.lstat().st_mtime, path.name


def _renamed(path: Path, places: list[Path], lookup: Lookup) -> list[str]:
    if path in places or path.is_symlink() or path.stem == lookup.unit:
        return []  # a flat file may have any name
    return [f"the file was named {_printable(path.name)}"]


def _listed(names: Iterable[str], limit: int = 3) -> str:
    names = sorted(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
