"""Rebuild a submission: the lesson's own notebook with the student's answers in it, and nothing else of theirs."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass

from nbformat import NotebookNode

from autograder import cells
from autograder.grading.lesson import Lesson
from autograder.grading.names import defined_names, used_names
from autograder.grading.reading import SubmittedCell, SubmittedNotebook

_LISTED = 4


@dataclass
class Rebuilt:
    """A notebook that is safe to run: every cell is the lesson's, every answer the student's.

    answered: grade_ids of the answers that differ from the untouched cell.
    stray: names that only the student's extra code cells define, which grading leaves out.
    notes: what was odd about the file, for the instructor; clauses without a full stop.
    """

    notebook: NotebookNode
    answered: set[str]
    stray: set[str]
    notes: list[str]


def rebuild(lesson: Lesson, submitted: SubmittedNotebook) -> Rebuilt:
    """Transplant the source of the answer cells, found by grade_id, else by what they define or where they stand."""
    notebook, notes = deepcopy(lesson.notebook), list(submitted.notes)
    chosen = _Matching(lesson, submitted, notes).run()
    answered = set()
    for cell in notebook.cells:
        name = cells.grade_id(cell)
        if name in chosen and not _same(chosen[name].source, cell.source):
            answered.add(name)
            cell.source = chosen[name].source
    if submitted.kernel not in (None, "python3"):
        notes.append(f"the notebook asked for the kernel {submitted.kernel!r}")
    _note_locked(lesson, submitted, notes)
    stray = _stray(lesson, submitted, chosen, notebook, notes)
    return Rebuilt(notebook, answered, stray, notes)


class _Matching:
    """Which of the student's cells is the answer to what. Ids go before content, content before position."""

    def __init__(self, lesson: Lesson, submitted: SubmittedNotebook, notes: list[str]):
        self.lesson, self.submitted, self.notes = lesson, submitted, notes
        self.chosen: dict[str, SubmittedCell] = {}
        known = {cells.grade_id(cell) for cell in lesson.shown} - {None}
        self.free = [cell for cell in submitted.cells if cell.grade_id not in known and cell.source.strip()]
        instructor = {cell.source.strip() for cell in lesson.shown if not cells.is_solution(cell)}
        self.free = [cell for cell in self.free if cell.source.strip() not in instructor]

    def run(self) -> dict[str, SubmittedCell]:
        by_id: dict[str, list[SubmittedCell]] = {name: [] for name in self.lesson.answers}
        for cell in self.submitted.cells:
            if cell.grade_id in by_id:
                by_id[cell.grade_id].append(cell)
        gone, retyped, elsewhere = [], [], []
        for name, stub in self.lesson.answers.items():
            cell = self._by_id(name, stub, by_id[name])
            if cell is None or (_same(cell.source, stub.source) and stub.cell_type == "code"):
                other = self._by_content(name, stub) or (None if cell else self._by_position(name, stub))
                if other is not None:
                    elsewhere.append(name)
                    cell = other
            if cell is None:
                gone.append(name)
                continue
            if cell.cell_type != stub.cell_type:
                retyped.append(name)
            self.chosen[name] = cell
        if len(gone) == len(self.lesson.answers):
            self.notes.append("none of this unit's answer cells is in the notebook, it may be of another unit")
        else:
            self._note("the answer cell {} is gone", "the answer cells {} are gone", gone)
        self._note("the answer cell {} had become another type of cell",
                   "the answer cells {} had become another type of cell", retyped)
        self._note("the answer to {} was found in another cell than its own",
                   "the answers to {} were found in other cells than their own", elsewhere)
        in_place = [name for name in self.lesson.answers if name in self.chosen and name not in elsewhere]
        order = [self.chosen[name].index for name in in_place]
        if order != sorted(order):
            self.notes.append("the cells were in another order")
        return self.chosen

    def _by_id(self, name: str, stub: NotebookNode, found: list[SubmittedCell]) -> SubmittedCell | None:
        if not found:
            # Some tools drop metadata but keep the cell's own id, which the build sets to the grade_id.
            found = [cell for cell in self.free if cell.cell_id == name]
        written = [cell for cell in found if not _same(cell.source, stub.source)]
        if len(found) > 1:
            wanted = set(self.lesson.names(name)) if stub.cell_type == "code" else set()
            complete = [cell for cell in written if wanted <= set(defined_names(cell.source))]
            pick = (complete or written or found)[-1]
            which = "the last that is written in" if written else "the last"
            self.notes.append(f"the answer cell {name} is there {len(found)} times; {which} was graded")
            return pick
        return found[0] if found else None

    def _by_content(self, name: str, stub: NotebookNode) -> SubmittedCell | None:
        """The last free code cell that defines what the answer must define."""
        wanted = set(self.lesson.names(name)) if stub.cell_type == "code" else set()
        fits = [cell for cell in self.free if wanted and wanted <= set(defined_names(cell.source))
                and not _same(cell.source, stub.source) and cell not in self.chosen.values()]
        return fits[-1] if fits else None

    def _by_position(self, name: str, stub: NotebookNode) -> SubmittedCell | None:
        """The free cell of the right type just after (or before) the lesson's cell that stands there."""
        stock = self.lesson.shown
        here = next(i for i, cell in enumerate(stock) if cells.grade_id(cell) == name)
        sources = [cell.source.strip() for cell in self.submitted.cells]
        for neighbour, step in ((here - 1, 1), (here + 1, -1)):
            if not 0 <= neighbour < len(stock) or stock[neighbour].source.strip() not in sources:
                continue
            place = sources.index(stock[neighbour].source.strip()) + step
            if not 0 <= place < len(self.submitted.cells):
                continue
            cell = self.submitted.cells[place]
            if cell in self.free and cell.cell_type == stub.cell_type and cell not in self.chosen.values():
                return cell
        return None

    def _note(self, one: str, many: str, names: list[str]) -> None:
        if names:
            self.notes.append((one if len(names) == 1 else many).format(listed(names)))


def _note_locked(lesson: Lesson, submitted: SubmittedNotebook, notes: list[str]) -> None:
    """Say which test cells were deleted, doubled or edited; the lesson's own run whatever happened to them."""
    gone, doubled, edited = [], [], []
    shown = {cells.grade_id(cell): cell for cell in lesson.shown if cells.is_test(cell)}
    for name in lesson.tests:
        found = [cell for cell in submitted.cells if cell.grade_id == name]
        if not found:
            text = shown[name].source
            found = [cell for cell in submitted.cells if cell.cell_id == name or _same(cell.source, text)]
        if not found:
            gone.append(name)
        elif len(found) > 1:
            doubled.append(name)
        elif not _same(found[0].source, shown[name].source) or found[0].cell_type != "code":
            edited.append(name)
    for names, what in ((gone, "deleted"), (doubled, "doubled"), (edited, "edited")):
        if names:
            cell, was, test = ("cell", "was", "test") if len(names) == 1 else ("cells", "were", "tests")
            notes.append(f"the test {cell} {listed(names)} {was} {what}, the original {test} ran")


def _stray(lesson: Lesson, submitted: SubmittedNotebook, chosen: dict[str, SubmittedCell], notebook: NotebookNode,
           notes: list[str]) -> set[str]:
    """Extra code cells are left out; those that the answers need are worth a word of their own."""
    known = {cells.grade_id(cell) for cell in lesson.shown} | {cell.get("id") for cell in lesson.shown}
    stock = {cell.source.strip() for cell in lesson.shown}
    used_cells = {cell.index for cell in chosen.values()}
    extra = [cell for cell in submitted.cells
             if cell.cell_type == "code" and cell.source.strip() and cell.index not in used_cells
             and cell.grade_id not in known - {None} and cell.cell_id not in known - {None}
             and cell.source.strip() not in stock]
    if not extra:
        return set()
    count = "1 extra code cell was" if len(extra) == 1 else f"{len(extra)} extra code cells were"
    answers = [cell for cell in notebook.cells if cells.is_solution(cell) and cell.cell_type == "code"]
    lesson_names = {name for cell in notebook.cells if cell.cell_type == "code" for name in defined_names(cell.source)}
    stray = {name for cell in extra for name in defined_names(cell.source)} - lesson_names
    needed = stray & set().union(*(used_names(cell.source) for cell in answers))
    need = f", though the answers use {listed(sorted(needed))} from there" if needed else ""
    notes.append(f"{count} left out{need}")
    return stray


def _same(one: str, other: str) -> bool:
    """Equal but for white space at the ends of lines and of the cell, which editors change on their own."""
    return _trimmed(one) == _trimmed(other)


def _trimmed(source: str) -> list[str]:
    return [line.rstrip() for line in source.strip().split("\n")]


def listed(names: Iterable[str]) -> str:
    """a, b, c and 3 more"""
    names = list(names)
    if len(names) <= _LISTED:
        return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
    return f"{', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"
