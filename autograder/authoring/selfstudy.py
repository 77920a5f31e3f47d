"""The self-study edition: the whole lesson for somebody who has no teacher, ready for Colab.

Answers become stubs as in the student edition, every test is there to run, and each worked solution lies folded
beneath its test. A worked solution defines `solution_softmax`, not `softmax`, so that running it, or all cells,
never replaces what the learner wrote. Cells that need an unwritten answer carry the tag `raises-exception`: their
error is shown and *Run All* goes on.
"""

from __future__ import annotations

import base64
import io
import keyword
import re
import tokenize
from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder import cell_names as names
from autograder.authoring import colab, percent, regions
from autograder.authoring.release import images
from autograder.cells import exercises, grade_id, is_solution, is_test, is_written
from autograder.course import Course

PREFIX = "solution_"
HIDDEN_LINE = "# From here on: what the graded edition keeps hidden. Here you see every check."
MIME = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
        ".svg": "image/svg+xml", ".webp": "image/webp"}


def edition(course: Course, unit: str, source: NotebookNode, release: NotebookNode,
            repository: str | None = None) -> NotebookNode:
    """The self-study notebook of a unit.

    source: the lesson with its answers; release: its student edition, whose stubs are used; repository: owner/name
    on GitHub that badge and set-up cell point to.
    """
    place = colab.Place.of(course, repository)
    stubs = {grade_id(cell): cell.source for cell in release.cells if is_solution(cell)}
    unfinished, _ = names.depending(source, names.of_students(source))
    solutions = _after_tests(source)
    notebook = deepcopy(source)
    cells: list[NotebookNode] = []
    for index, cell in enumerate(notebook.cells):
        original = source.cells[index]
        if is_solution(cell):
            cell.source = stubs[grade_id(cell)]
        elif is_test(cell):
            cell.source = _all_tests(cell.source, grade_id(original))
        cell.metadata.pop("nbgrader", None)
        if index in unfinished or _is_value(original):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "raises-exception"]
        cells.append(cell)
        if is_written(original):
            cells.append(_model_answer(original))
        cells += [_worked(source.cells[at]) for at in solutions.get(index, [])]
    notebook.cells = _opened(cells, place, unit)
    _embed_images(notebook, course, unit)
    notebook.metadata = percent.plain_metadata()
    return notebook


def _after_tests(source: NotebookNode) -> dict[int, list[int]]:
    """Index of an exercise's last test (or of the solution itself, where it has none) -> its solution cell."""
    after: dict[int, list[int]] = {}
    for exercise in exercises(source):
        after.setdefault(max((exercise.solution, *exercise.tests)), []).append(exercise.solution)
    return after


def _opened(cells: list[NotebookNode], place: colab.Place, unit: str) -> list[NotebookNode]:
    """Badge, a word on this edition and the Colab cell, right beneath the title."""
    intro = "\n\n".join([
        place.badge(unit),
        "**Self-study edition.** Write your answer into each exercise and run the test beneath it. The worked "
        f"solution is folded under the test; it is named `{PREFIX}…`, so running it never replaces what you wrote, "
        "and *Run All* goes past exercises that you have not written yet (in Colab, run the folded cell below first).",
    ])
    setup = new_code_cell(place.setup(), metadata={"cellView": "form", "jupyter": {"source_hidden": True}},
                          id="colab-setup")
    title, *rest = cells
    if title.cell_type == "markdown" and title.source.startswith("# "):
        heading, _, text = title.source.partition("\n")
        title.source = "\n\n".join(filter(None, [heading, intro, text.strip("\n")]))
        return [title, setup, *rest]
    return [new_markdown_cell(intro, id="self-study"), setup, *cells]


def _all_tests(source: str, name: str) -> str:
    """The test cell with its hidden part in plain sight, and a word where all went well."""
    lines = []
    for line in source.split("\n"):
        if regions.BEGIN_HIDDEN in line:
            lines.append(HIDDEN_LINE)
        elif regions.END_HIDDEN not in line:
            lines.append(line)
    return "\n".join([*lines, f"print(\"{name.removeprefix('test_')}: every check passed\")"])


def _model_answer(cell: NotebookNode) -> NotebookNode:
    answer = regions.inside(cell.source).strip()
    text = f"<details><summary>A good answer (write your own first)</summary>\n\n{answer}\n\n</details>"
    return new_markdown_cell(text, id=f"{cell.id[:55]}-answer")


def _worked(cell: NotebookNode) -> NotebookNode:
    """The folded cell with the worked solution, under names of its own."""
    code = regions.without_markers(cell.source)
    bound = names.of_source(code)
    own = sorted(bound.bound - bound.imported)
    name = grade_id(cell)
    main = name if name in own else own[0]
    source = "\n".join([
        f"#@title Worked solution of {main} {{ display-mode: \"form\" }}",
        "",
        renamed(code, {old: PREFIX + old for old in own}),
        "",
        f"# Yours stays as it is. To carry on with this one instead: {main} = {PREFIX}{main}",
    ])
    metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
    if _is_value(cell):
        metadata["tags"] = ["raises-exception"]
    return new_code_cell(source, metadata=metadata, id=f"{cell.id[:55]}-solution")


def _is_value(cell: NotebookNode) -> bool:
    """A solution cell that computes a value when it runs: its stub raises at once, where a function's waits."""
    return cell.cell_type == "code" and is_solution(cell) and bool(regions.at_top_level(cell.source))


def renamed(code: str, new: dict[str, str]) -> str:
    """`code` with names replaced where they stand for the thing defined; attributes and keyword arguments stay."""
    lines = code.split("\n")
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(code).readline)
              if token.type not in (tokenize.NL, tokenize.COMMENT)]
    depth, places = 0, []
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        depth += (token.string in "([{" and token.type == tokenize.OP)
        depth -= (token.string in ")]}" and token.type == tokenize.OP)
        if token.type != tokenize.NAME or token.string not in new or keyword.iskeyword(token.string):
            continue
        is_attribute = before is not None and before.string == "."
        is_keyword = depth > 0 and after is not None and after.string == "="
        if not is_attribute and not is_keyword:
            places.append((token.start, token.string))
    for (row, column), name in reversed(places):
        line = lines[row - 1]
        lines[row - 1] = line[:column] + new[name] + line[column + len(name):]
    return "\n".join(lines)


def _embed_images(notebook: NotebookNode, course: Course, unit: str) -> None:
    """Put pictures into the text: Colab, and a copy of the file elsewhere, have no folder to find them in."""
    pictures = {path.name: path for path in images(course, unit)}
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for name, path in pictures.items():
            if name in cell.source:
                data = f"data:{MIME[path.suffix.lower()]};base64,{base64.b64encode(path.read_bytes()).decode()}"
                cell.source = re.sub(rf"(\]\(|src=\"){re.escape(name)}(?=[)\"\s])",
                                     lambda match, data=data: match[1] + data, cell.source)
