"""Rules for the frame of a lesson: its header, its nbgrader metadata, its markers, its files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from nbformat import NotebookNode

from autograder.authoring import regions, release
from autograder.authoring.lint_core import Lesson, Problem, rule
from autograder.cells import exercises, grade_id, is_solution, is_test, is_written, nbgrader

GRADE_ID = re.compile(r"[a-z][a-z0-9_]*")
KINDS = {  # the metadata of each kind of cell, points apart
    "a solution cell": {"grade": False, "locked": False, "schema_version": 3, "solution": True, "task": False},
    "a test cell": {"grade": True, "locked": True, "schema_version": 3, "solution": False, "task": False},
    "a written answer": {"grade": True, "locked": False, "schema_version": 3, "solution": True, "task": False},
    "a read-only cell": {"grade": False, "locked": True, "schema_version": 3, "solution": False, "task": False},
}


@rule("header")
def header(lesson: Lesson) -> Iterator[Problem]:
    """The YAML header keeps all metadata, names the python3 kernel and pairs with nothing."""
    import yaml

    match = re.match(r"# ---\n(.*?)\n# ---\n", lesson.text, re.DOTALL)
    if not match:
        yield lesson.here("the lesson has no YAML header between two `# ---` lines; copy one from another lesson.")
        return
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in match[1].split("\n"))
    settings = (yaml.safe_load(text) or {}).get("jupyter", {})
    jupytext = settings.get("jupytext", {})
    if "formats" in jupytext:
        yield lesson.here("`formats` pairs the lesson with a notebook that carries the answers: remove it.")
    if jupytext.get("cell_metadata_filter") != "all":
        yield lesson.here("the header needs `cell_metadata_filter: all`, or saving drops nbgrader's metadata.")
    if jupytext.get("text_representation", {}).get("format_name") != "percent":
        yield lesson.here("the header needs `format_name: percent`.")
    if settings.get("kernelspec", {}).get("name") != "python3":
        yield lesson.here("the header's kernelspec must be named python3.")


@rule("grade-id", leak=True)
def grade_ids(lesson: Lesson) -> Iterator[Problem]:
    """Each grade_id is unique and looks like a name."""
    seen: dict[str, int] = {}
    for index, cell in lesson.cells(lambda cell: bool(nbgrader(cell))):
        name = grade_id(cell)
        if not isinstance(name, str) or not GRADE_ID.fullmatch(name) or len(name) > 55:
            yield lesson.at(index, f"grade_id is {name!r}; wanted lower-case letters, digits and _, at most 55.")
        elif name in seen:
            yield lesson.at(index, f"grade_id {name!r} is taken by the cell on line {lesson.starts[seen[name]]}.")
        else:
            seen[name] = index


@rule("metadata", leak=True)
def metadata(lesson: Lesson) -> Iterator[Problem]:
    """nbgrader's metadata is that of one of the four kinds of cell, to the letter."""
    for index, cell in lesson.cells(lambda cell: "nbgrader" in cell.metadata):
        meta = dict(nbgrader(cell))
        kind = _kind(cell, meta)
        graded = kind in ("a test cell", "a written answer")
        if kind is None:
            yield lesson.at(index, f"grade={meta.get('grade')}, solution={meta.get('solution')} in a {cell.cell_type} "
                                   "cell: answers in code are solution cells, written answers are grade and solution.")
            continue
        value = meta.pop("points", None)
        if graded and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
            yield lesson.at(index, f"{kind} needs points, a number above 0; it has {value!r}.")
        if not graded and value is not None:
            yield lesson.at(index, f"{kind} has no points; those belong to its test.")
        meta.pop("grade_id", None)
        for key in sorted(KINDS[kind].keys() | meta.keys()):
            if meta.get(key) != KINDS[kind].get(key) or type(meta.get(key)) is not type(KINDS[kind].get(key)):
                wanted = f"{KINDS[kind][key]!r}" if key in KINDS[kind] else "no such key"
                yield lesson.at(index, f"{kind} has {key}={meta.get(key)!r} in its nbgrader metadata; wanted {wanted}.")


def _kind(cell: NotebookNode, meta: dict) -> str | None:
    grade, solution, code = bool(meta.get("grade")), bool(meta.get("solution")), cell.cell_type == "code"
    if solution and not grade and code:
        return "a solution cell"
    if grade and not solution and code:
        return "a test cell"
    if grade and solution and cell.cell_type == "markdown":
        return "a written answer"
    return "a read-only cell" if not grade and not solution else None


@rule("pairing")
def pairing(lesson: Lesson) -> Iterator[Problem]:
    """Every solution cell is followed by a test that bears its name, and every test belongs to a solution."""
    code = [(index, cell) for index, cell in lesson.cells() if cell.cell_type == "code"]
    for (index, cell), (_, following) in pairwise([*code, (len(lesson.notebook.cells), None)]):
        name = grade_id(cell)
        if is_solution(cell) and (following is None or grade_id(following) != f"test_{name}" or not is_test(following)):
            yield lesson.at(index, f"the next code cell after the solution {name!r} must be its test, `test_{name}`.")
        if is_test(cell) and not str(name).startswith("test_"):
            yield lesson.at(index, f"the test cell {name!r} must be named test_ and the exercise's name.")
    owned = {test for exercise in exercises(lesson.notebook) for test in exercise.tests
             if str(grade_id(lesson.notebook.cells[test])).startswith(f"test_{exercise.name}")}
    for index, cell in lesson.cells(is_test):
        if index not in owned and str(grade_id(cell)).startswith("test_"):
            yield lesson.at(index, f"the test {grade_id(cell)!r} does not bear the name of the exercise before it.")


@rule("markers", leak=True)
def markers(lesson: Lesson) -> Iterator[Problem]:
    """Markers are written exactly, come in pairs and stand in the right kind of cell."""
    for index, cell in lesson.cells():
        lines = cell.source.split("\n")
        yield from _where(lesson, index, cell, lines)
        for begin, end in ((regions.BEGIN_SOLUTION, regions.END_SOLUTION), (regions.BEGIN_HIDDEN, regions.END_HIDDEN)):
            order = [(number, begin in line) for number, line in enumerate(lines, 1) if begin in line or end in line]
            for at, (number, opens) in enumerate(order):
                if opens != (at % 2 == 0):
                    yield lesson.at(index, f"`{begin}` and `{end}` must alternate; this one is out of turn.", number)
            if len(order) % 2:
                yield lesson.at(index, f"`{begin}` and `{end}` are not balanced in this cell.", order[-1][0])
        if is_solution(cell) and not any(regions.BEGIN_SOLUTION in line for line in lines):
            yield lesson.at(index, "the solution cell marks no solution: put it between `### BEGIN SOLUTION` and "
                                   "`### END SOLUTION`.")


def _where(lesson: Lesson, index: int, cell: NotebookNode, lines: list[str]) -> Iterator[Problem]:
    for number, line in enumerate(lines, 1):
        if "SOLUTION" in line and (regions.BEGIN_SOLUTION in line or regions.END_SOLUTION in line):
            if not is_solution(cell):
                yield lesson.at(index, "a solution marker outside a solution cell.", number)
        elif regions.BEGIN_HIDDEN in line or regions.END_HIDDEN in line:
            if not is_test(cell):
                yield lesson.at(index, "a hidden-tests marker outside a test cell.", number)
        elif "MARK SCHEME" in line or (cell.cell_type == "code" and "AUTOTEST" in line):
            yield lesson.at(index, "nbgrader would take this line for an instruction of its own; reword it.", number)
        elif not regions.LIKE_A_MARKER.match(line):
            continue
        if (is_solution(cell) or is_test(cell)) and not regions.EXACT.match(line):
            yield lesson.at(index, "write a marker exactly as `### BEGIN SOLUTION`, `### END SOLUTION`, "
                                   "`### BEGIN HIDDEN TESTS` or `### END HIDDEN TESTS`.", number)


@rule("hidden-tests")
def hidden_tests(lesson: Lesson) -> Iterator[Problem]:
    """Each exercise has visible checks first and hidden ones after them."""
    for exercise in exercises(lesson.notebook):
        parts = [regions.visible_and_hidden(lesson.notebook.cells[test].source) for test in exercise.tests]
        if parts and not any(hidden.strip() for _, hidden in parts):
            yield lesson.at(exercise.tests[0], f"the tests of {exercise.name!r} hide nothing: generalise in a "
                                               "`### BEGIN HIDDEN TESTS` region.")
        if parts and not any(word in visible for visible, _ in parts for word in (f"{lesson.check}.", "assert ")):
            yield lesson.at(exercise.tests[0], f"the tests of {exercise.name!r} check nothing in plain sight.")


@rule("one-answer")
def one_answer(lesson: Lesson) -> Iterator[Problem]:
    """lesson_tests 1: the reference is named functions or classes, or one plain value, and bears its grade_id."""
    for index, tree in lesson.code(is_solution):
        name = grade_id(lesson.notebook.cells[index])
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
                continue
            value = getattr(node, "value", None)
            if isinstance(value, ast.Lambda):
                yield lesson.at(index, "an answer is a `def`, not a lambda, so that its kind can be read off.",
                                node.lineno)
            elif not isinstance(node, ast.Assign | ast.AnnAssign) or not _is_named(node, name):
                yield lesson.at(index, f"a solution cell holds `def` or `class`, or one value `{name} = ...`, and "
                                       "nothing that runs beside it.", node.lineno)
        if name not in lesson.names[index].bound:
            yield lesson.at(index, f"the solution cell {name!r} does not define {name!r}.")


def _is_named(node: ast.Assign | ast.AnnAssign, name: str | None) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return len(targets) == 1 and isinstance(targets[0], ast.Name) and targets[0].id == name


@rule("signature")
def signature(lesson: Lesson) -> Iterator[Problem]:
    """What students see keeps every signature and docstring: only the body is the answer."""
    for index, tree in lesson.code(is_solution):
        cell = lesson.notebook.cells[index]
        try:
            stub = ast.parse(regions.stubbed(cell.source))
        except SyntaxError:
            yield lesson.at(index, "with the marked lines taken out the cell is no longer Python: keep the signature "
                                   "outside the markers.")
            continue
        seen = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            if node.name not in seen:
                yield lesson.at(index, f"the signature of {node.name!r} is inside the markers: students would not see "
                                       "it.", node.lineno)
            elif not ast.get_docstring(seen[node.name]):
                yield lesson.at(index, f"{node.name!r} needs a docstring outside the markers: what it takes and "
                                       "returns, with shapes.", node.lineno)
            elif _inherited_body(node, cell):
                yield lesson.at(index, f"nothing of {node.name!r} is between markers: its body would be given away.",
                                node.lineno)


def _inherited_body(node: ast.FunctionDef | ast.ClassDef, cell: NotebookNode) -> bool:
    lines = cell.source.split("\n")[node.lineno - 1:node.end_lineno + 1]
    return not any(regions.BEGIN_SOLUTION in line for line in lines)


@rule("written")
def written(lesson: Lesson) -> Iterator[Problem]:
    """A written answer is named written_... and holds a model answer between markers."""
    for index, cell in lesson.cells(is_written):
        if not str(grade_id(cell)).startswith("written_"):
            yield lesson.at(index, f"the written answer {grade_id(cell)!r} must be named written_ and its subject.")
        if not regions.inside(cell.source).strip():
            yield lesson.at(index, "the written answer holds no model answer between its markers.")


@rule("files", leak=True)
def files(lesson: Lesson) -> Iterator[Problem]:
    """Beside a lesson lie small pictures and nothing else, since nbgrader hands out all that lies there."""
    folder = lesson.course.source(lesson.unit).parent
    for path in release.strangers(lesson.course, lesson.unit):
        place = path.relative_to(lesson.course.root).as_posix()
        yield Problem(place, 1, "nbgrader would hand this file to students; only pictures lie beside a lesson.")
    pictures = release.images(lesson.course, lesson.unit)
    for path in pictures:
        if path.stat().st_size > release.IMAGE_BYTES:
            place = path.relative_to(lesson.course.root).as_posix()
            yield Problem(place, 1, f"the picture has {path.stat().st_size} bytes; at most {release.IMAGE_BYTES}.")
    for index, cell in lesson.cells(lambda cell: cell.cell_type == "markdown"):
        for number, line in enumerate(cell.source.split("\n"), 1):
            for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", line):
                if not re.match(r"(https?|data|attachment):", target) and not (folder / target).is_file():
                    yield lesson.at(index, f"there is no picture {target} beside the lesson.", number)


@rule("rebinding")
def rebinding(lesson: Lesson) -> Iterator[Problem]:
    """A name that students define is bound by its own solution cell and by no other cell."""
    owner: dict[str, int] = {}
    for index, _ in lesson.code(is_solution):
        for name in sorted(lesson.names[index].bound - lesson.names[index].imported):
            if name in owner:
                line = lesson.starts[owner[name]]
                yield lesson.at(index, f"{name!r} is already the answer of the cell on line {line}.")
            owner.setdefault(name, index)
    for index, _ in lesson.code(lambda cell: not is_solution(cell)):
        for name in sorted(lesson.names[index].bound & lesson.students):
            yield lesson.at(index, f"the cell rebinds {name!r}, which students define; use another name.")


