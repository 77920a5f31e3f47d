"""The cases: reading their files, making submissions of them, and telling what is wrong with how one was graded.

A case is a small file of pieces of a notebook:

    \"\"\"What it tries, in one sentence.

    loses: mean_square            exercises that give no point; all others must give theirs (default: none)
    may lose: unit_rows           exercises that may go either way: the student's own affair (`all` for every other)
    status: failed error          what the submission may end as (default: passed, or failed and error)
    stock: unsafe, why            not run on stock nbgrader, where nothing would contain it
    \"\"\"
    # %% mean_square
    ...                           stands in this answer cell; answers that are not named are right
    # %% notebook
    ...                           runs here: may change `nb`, the submission as JSON, set `raw`, its bytes,
                                  `name`, the file's name, or write in `folder` and set `done`; `released`, untouched

An attack that wants points gives a wrong answer, and must lose it. One that wants out of its box gives a right
answer, unless it got out: then it raises an error that says REACHED, so that its own score tells.
Names such as `__PORT__` stand for what the stage sets up for this case (see stage.py).
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from autograder import cells
from autograder.authoring.regions import without_markers

HERE = Path(__file__).resolve().parent
UNIT = "01_wall"
COURSE = HERE / "course"
POINTS = {"mean_square": 1, "unit_rows": 2, "pairs": 4, "clip_": 8, "n_parameters": 16, "running_mean": 32}
FULL = sum(POINTS.values())
FAMILIES = {
    "1": "forging a score",
    "2": "what an answer returns",
    "3": "tampering with the notebook",
    "4": "reaching out of the box",
    "5": "using up the machine",
    "6": "ending and outliving",
    "7": "changing Python's state",
    "8": "honest but odd",
    "9": "broken files",
}
# What no student may read: marks in the source of hidden tests, and inputs of hidden tests.
CANARIES = re.compile(rb"canary-of-[a-z-]+-[0-9a-f]{6}|918273\.645|zwirn4417|773\.25|664\.5|113\.5|551\.25")


@dataclass(frozen=True)
class Case:
    name: str  # of its file, and of the student who hands it in
    title: str
    answers: dict[str, str] = field(default_factory=dict)
    edit: str = ""
    loses: frozenset[str] = frozenset()
    may_lose: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset({"passed"})
    unsafe: str = ""  # why stock nbgrader does not run it

    @property
    def family(self) -> str:
        return FAMILIES[self.name[0]]

    @property
    def text(self) -> str:
        return "\n".join([*self.answers.values(), self.edit])

    def wrong(self, score: float, status: str | None) -> list[str]:
        """What is wrong with a score and a status. None: stock nbgrader, which has no status."""
        got = exercises_of(score)
        if got is None:
            return [f"has {score:g} of {FULL} points, which no set of exercises gives"]
        found = [f"gained {name}" for name in POINTS if name in got & self.loses]
        found += [f"lost {name}" for name in POINTS if name not in got | self.loses | self.may_lose]
        if status is not None and status not in self.statuses:
            found.append(f"ended as {status}")
        return found


NEIGHBOURS = [Case(name, "An honest neighbour with right answers.")
              for name in ("000_neighbour", "155_neighbour", "450_neighbour", "550_neighbour", "650_neighbour",
                           "999_neighbour")]


def exercises_of(score: float) -> set[str] | None:
    """Each exercise has another power of two: the score tells which were passed."""
    if score != int(score) or not 0 <= score <= FULL:
        return None
    return {name for name, points in POINTS.items() if int(score) & points}


@cache
def all_cases() -> list[Case]:
    return [read_case(path) for path in sorted((HERE / "cases").glob("*.py"))]


def read_case(path: Path) -> Case:
    head, *pieces = re.split(r"^# %% (\w+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    doc = head.strip().strip('"').strip()
    settings = dict(re.findall(r"^(loses|may lose|status|stock): (.+)$", doc, flags=re.MULTILINE))
    parts = dict(zip(pieces[::2], (piece.rstrip("\n") for piece in pieces[1::2]), strict=True))
    edit = parts.pop("notebook", "")
    loses, may_lose = _exercises(settings.get("loses", "")), _exercises(settings.get("may lose", ""))
    strange = (set(parts) | loses | may_lose) - set(POINTS)
    if strange or not doc or not (parts or edit):
        raise ValueError(f"{path.name}: strange {sorted(strange)}, or no title, or nothing in it")
    default = "failed error" if loses else "passed failed error" if may_lose else "passed"
    kind, _, why = settings.get("stock", "runs").partition(",")
    if kind not in ("runs", "unsafe"):
        raise ValueError(f"{path.name}: stock is {kind!r}")
    return Case(path.stem, " ".join(doc.split("\n\n")[0].split()), parts, edit, loses, may_lose - loses,
                frozenset(settings.get("status", default).split()), why.strip() or ("unsafe" * (kind == "unsafe")))


def _exercises(names: str) -> frozenset[str]:
    return frozenset(POINTS) if names == "all" else frozenset(names.split())


@cache
def references() -> dict[str, str]:
    """The right answers, from the lesson itself."""
    source = jupytext.read(COURSE / "source" / UNIT / f"{UNIT}.py")
    return {cells.grade_id(cell): without_markers(cell.source) for cell in source.cells if cells.is_solution(cell)}


def answered(released: NotebookNode, answers: dict[str, str]) -> dict:
    """The release with right answers, but for those given, as JSON."""
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        if cells.is_solution(cell):
            name = cells.grade_id(cell)
            cell.source = answers.get(name, references()[name])
    return json.loads(json.dumps(notebook))


def hand_in(case: Case, released: NotebookNode, folder: Path, values: dict[str, object]) -> None:
    """Write the case's submission into `folder`, the student's; `values` fill in the placeholders."""
    filled = {name: fill(source, values) for name, source in case.answers.items()}
    scope = {"nb": answered(released, filled), "raw": None, "name": f"{UNIT}.ipynb", "folder": folder / UNIT,
             "done": False, "cell_of": cell_of, "released": json.loads(json.dumps(released))}
    (folder / UNIT).mkdir(parents=True)
    exec(compile(fill(case.edit, values), case.name, "exec"), scope)
    if not scope["done"]:
        raw = json.dumps(scope["nb"], indent=1).encode() if scope["raw"] is None else scope["raw"]
        (folder / UNIT / scope["name"]).write_bytes(raw)


def fill(source: str, values: dict[str, object]) -> str:
    for name, value in values.items():
        source = source.replace(name, repr(value))
    return source


def cell_of(notebook: dict, grade_id: str) -> dict:
    return next(cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)
