"""Rules for the code of a lesson, tests' conventions apart: what may run, and which cells may use which names."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograder.authoring.lint_beside import outside
from autograder.authoring.lint_core import Lesson, Problem, calls, dotted, is_run, python_files, rule
from autograder.cells import is_lab

NETWORK = {"requests", "urllib", "urllib3", "http", "socket", "ssl", "aiohttp", "httpx", "ftplib", "smtplib",
           "huggingface_hub", "wget", "gdown"}
DOWNLOADS = {"urlopen", "urlretrieve", "hf_hub_download", "snapshot_download", "load_dataset"}
SEEDS = {"torch.manual_seed", "torch.seed", "torch.random.manual_seed", "torch.cuda.manual_seed",
         "torch.cuda.manual_seed_all", "torch.mps.manual_seed", "random.seed", "np.random.seed", "numpy.random.seed",
         "manual_seed", "set_seed", "transformers.set_seed", "transformers.enable_full_determinism"}
WRITERS = {"write_text", "write_bytes", "mkdir", "unlink", "rmdir", "touch", "rename", "savefig", "to_csv", "to_json",
           "to_parquet", "to_pickle", "save_pretrained", "save_to_disk", "push_to_hub", "tofile", "savetxt", "savez"}
WRITING_CALLS = {"torch.save", "np.save", "numpy.save", "pickle.dump", "json.dump", "save_file", "write_atomically",
                 "os.remove", "os.mkdir", "os.makedirs", "os.rename", "os.unlink", "os.rmdir", "os.system"}


@rule("python")
def python(lesson: Lesson) -> Iterator[Problem]:
    """Code cells are plain Python: no magics, no shell lines (longer demonstrations may have them)."""
    for index, cell in lesson.cells(lambda cell: cell.cell_type == "code" and not is_lab(cell)):
        if lesson.trees[index] is not None:
            for call in calls(lesson.trees[index]):
                if dotted(call.func) == "get_ipython":
                    yield lesson.at(index, "get_ipython() is a magic in other words; graded cells are plain Python.",
                                    call.lineno)
            continue
        for number, line in enumerate(cell.source.split("\n"), 1):
            if line.lstrip().startswith(("%", "!")):
                yield lesson.at(index, f"no magics or shell lines in a cell that grading runs: {line.strip()!r}.",
                                number)
                break
        else:
            try:
                ast.parse(cell.source)
            except SyntaxError as error:
                yield lesson.at(index, f"the cell is not Python: {error.msg}.", error.lineno or 1)


@rule("network")
def network(lesson: Lesson) -> Iterator[Problem]:
    """Nothing that grading runs reaches the network."""
    for index, tree in lesson.code(is_run):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                for module in modules:
                    if module.split(".")[0] in NETWORK:
                        yield lesson.at(index, f"`{module}` is for the network, which graded cells do not have.",
                                        node.lineno)
            elif isinstance(node, ast.Call):
                name = dotted(node.func)
                online = any(word.arg == "online" and _is_true(word.value) for word in node.keywords)
                hub = name.endswith("from_pretrained") and node.args and _is_text(node.args[0])
                if online or hub or name.split(".")[-1] in DOWNLOADS or name.startswith("torch.hub."):
                    yield lesson.at(index, f"`{name}` may download: load models and data through helpers.models and "
                                           "helpers.corpora, or tag the cell `lab`.", node.lineno)


@rule("files-written")
def files_written(lesson: Lesson) -> Iterator[Problem]:
    """Solutions and tests write no files (a function run by `beside` may, in a temporary folder)."""
    for index, tree in lesson.graded():
        for node in outside(lesson, tree):
            if not isinstance(node, ast.Call):
                continue
            name = dotted(node.func)
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if method in WRITERS or name in WRITING_CALLS or name.startswith("shutil.") or _opens_to_write(node):
                yield lesson.at(index, f"`{name or method}` writes to disk; a graded cell gives back values instead.",
                                node.lineno)


@rule("seeds")
def seeds(lesson: Lesson) -> Iterator[Problem]:
    """lesson_tests 13: randomness is a generator that is passed, never a global seed."""
    for index, tree in lesson.graded():
        for call in calls(tree):
            if dotted(call.func) in SEEDS:
                yield lesson.at(index, f"`{dotted(call.func)}` sets a global seed; pass a `torch.Generator`.",
                                call.lineno)


@rule("skipped-names")
def skipped_names(lesson: Lesson) -> Iterator[Problem]:
    """Grading skips cells tagged lab or demo, so no other cell may need what they define."""
    kept: set[str] = set()
    skipped: dict[str, int] = {}
    for index, _ in lesson.code():
        found = lesson.names[index]
        if not is_run(lesson.notebook.cells[index]):
            skipped |= {name: index for name in found.bound - kept}
            continue
        for name in sorted(found.taken & skipped.keys() - kept):
            yield lesson.at(index, f"`{name}` comes from the cell on line {lesson.starts[skipped[name]]}, which is "
                                   "tagged lab or demo and is not run in grading.")
        kept |= found.bound


@rule("helper-names")
def helper_names(lesson: Lesson) -> Iterator[Problem]:
    """No helper defines a name that this unit asks students to write."""
    folder = lesson.course.root / "helpers"
    for path in python_files(folder) if folder.is_dir() else []:
        place = path.relative_to(lesson.course.root).as_posix()
        for name, line in _defined(ast.parse(path.read_text(encoding="utf-8"))):
            if name in lesson.students:
                yield Problem(place, line, f"`{name}` is what {lesson.unit} asks students to write: a helper must not "
                                           "define it.")


def _defined(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions and classes at any depth but methods, and names assigned in the module itself."""
    methods = {id(item) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for item in node.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and id(node) not in methods:
            yield node.name, node.lineno
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                for node in ast.walk(target):
                    if isinstance(node, ast.Name):
                        yield node.id, node.lineno


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _opens_to_write(call: ast.Call) -> bool:
    if dotted(call.func).split(".")[-1] != "open":
        return False
    at = 1 if isinstance(call.func, ast.Name) else 0
    modes = [word.value for word in call.keywords if word.arg == "mode"] + call.args[at:at + 1]
    return any(_is_text(mode) and set(mode.value) & set("wax+") for mode in modes)
