"""What the tools need to know about one notebook cell, read from its nbgrader metadata."""

from __future__ import annotations

from dataclasses import dataclass

from nbformat import NotebookNode


def nbgrader(cell: NotebookNode) -> dict:
    """The cell's nbgrader metadata, {} where it has none."""
    meta = cell.get("metadata", {}).get("nbgrader", {})
    return meta if isinstance(meta, dict) else {}


def grade_id(cell: NotebookNode) -> str | None:
    return nbgrader(cell).get("grade_id")


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def is_solution(cell: NotebookNode) -> bool:
    """A student writes in it: code, or text when it is graded by hand."""
    return bool(nbgrader(cell).get("solution"))


def is_test(cell: NotebookNode) -> bool:
    """Autograded: locked code that has points."""
    meta = nbgrader(cell)
    return bool(meta.get("grade")) and not meta.get("solution") and cell.cell_type == "code"


def is_written(cell: NotebookNode) -> bool:
    """A written answer that a person grades."""
    meta = nbgrader(cell)
    return bool(meta.get("grade")) and bool(meta.get("solution"))


def is_lab(cell: NotebookNode) -> bool:
    """A longer demonstration: no graded cell depends on it and grading does not run it."""
    return "lab" in tags(cell)


def points(cell: NotebookNode) -> float:
    return float(nbgrader(cell).get("points", 0))


@dataclass(frozen=True)
class Exercise:
    """One solution cell and the test cells that follow it, up to the next solution cell."""

    name: str  # the grade_id of the solution cell, which is the name of the function that students write
    solution: int  # index of the solution cell
    tests: tuple[int, ...]  # indices of its test cells

    def points(self, notebook: NotebookNode) -> float:
        return sum(points(notebook.cells[i]) for i in self.tests)


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The autograded exercises, in order."""
    found: list[tuple[str, int, list[int]]] = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if is_solution(cell):
            found.append((grade_id(cell) or f"cell_{index}", index, []))
        elif is_test(cell) and found:
            found[-1][2].append(index)
    return [Exercise(name, solution, tuple(tests)) for name, solution, tests in found]
