"""The same cases through stock nbgrader, one at a time: `python tests/security/stock.py [part of a name]`.

What came of each is kept in stock.json beside the hash of its file, so that only changed cases run again. Cases that
would harm the machine, on which nothing holds them there, are not run.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
import psutil
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderApp
from nbgrader.apps.autogradeapp import AutogradeApp  # noqa: F401  (imported before the forks)

from corpus import HERE, UNIT, Case, all_cases, hand_in
from ours import built_course
from stage import Stage, clear

KEPT = HERE / "stock.json"
SECONDS = 90.0  # for one submission: after that it hangs
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "stock"
c.Execute.timeout = 20
"""


@dataclass(frozen=True)
class Stock:
    """score is None: nbgrader gave no grade. wrong: as of ours.Result. note: why there is no grade, or why not run."""

    case: str  # the hash of its file
    score: float | None
    wrong: list[str]
    note: str
    seconds: float


def read_kept() -> dict[str, Stock]:
    if not KEPT.is_file():
        return {}
    return {name: Stock(**data) for name, data in json.loads(KEPT.read_text()).items()}


def version_of(case: Case) -> str:
    return hashlib.sha256((HERE / "cases" / f"{case.name}.py").read_bytes()).hexdigest()[:12]


def run(only: str = "") -> None:
    kept = {name: one for name, one in read_kept().items() if name in {case.name for case in all_cases()}}
    todo = [case for case in all_cases() if only in case.name
            and (case.name not in kept or kept[case.name].case != version_of(case))]
    with tempfile.TemporaryDirectory(prefix="stock-") as folder:
        scratch = Path(folder)
        course = scratch / "nbgrader"
        released = _course(scratch, course)
        with Stage(scratch / "stage", course, course / "submitted", course) as stage:
            for case in todo:
                if case.unsafe:
                    kept[case.name] = Stock(version_of(case), None, [], f"not run: {case.unsafe}", 0.0)
                else:
                    kept[case.name] = _run(case, stage, course, released)
                print(case.name, kept[case.name], flush=True)
                KEPT.write_text(json.dumps({name: asdict(one) for name, one in sorted(kept.items())}, indent=1) + "\n")


def _course(scratch: Path, course: Path) -> nbformat.NotebookNode:
    built = built_course(scratch / "built")
    (course / "source" / UNIT).mkdir(parents=True)
    for path in built.source_notebook(UNIT).parent.iterdir():
        shutil.copy(path, course / "source" / UNIT)
    (course / "source" / UNIT / f"{UNIT}.py").unlink()
    (course / "nbgrader_config.py").write_text(CONFIG)
    code, said = _nbgrader(course, "generate_assignment", UNIT, "--create")
    if code:
        raise RuntimeError(said)
    return nbformat.read(course / "release" / UNIT / f"{UNIT}.ipynb", as_version=4)


def _run(case: Case, stage: Stage, course: Path, released: nbformat.NotebookNode) -> Stock:
    hand_in(case, released, course / "submitted" / case.name, stage.values(case))
    start = time.monotonic()
    code, said = _nbgrader(course, "autograde", UNIT, "--student", case.name, "--create")
    seconds = round(time.monotonic() - start, 1)
    score = _score(course, case.name) if code == 0 else None
    stage.look()
    wrong = [*(case.wrong(score, None) if score is not None else []), *stage.evidence(case)]
    note = "" if code == 0 else "hangs" if code is None else _last_error(said)
    clear(stage, case)
    stage.sweep()
    shutil.rmtree(course / "submitted" / case.name)
    return Stock(version_of(case), score, wrong, note, seconds)


def _nbgrader(course: Path, *command: str) -> tuple[int | None, str]:
    """(exit code or None if it took too long, what it said); no process of it is left.

    A fork of this process, which has imported nbgrader already, runs nbgrader's own command.
    """
    log = course.parent / "log"
    process = multiprocessing.get_context("fork").Process(target=_command, args=(course, log, command))
    process.start()
    seen: dict[int, psutil.Process] = {}
    deadline = time.monotonic() + SECONDS
    while process.is_alive() and time.monotonic() < deadline:
        process.join(0.2)
        with suppress(psutil.Error):
            seen |= {one.pid: one for one in psutil.Process(process.pid).children(recursive=True)}
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    for one in seen.values():
        with suppress(psutil.Error):
            if one.is_running() and "wallmark" not in " ".join(one.cmdline()):  # those are evidence
                one.kill()
    return code, log.read_text(errors="replace")


def _command(course: Path, log: Path, command: tuple[str, ...]) -> None:
    os.setsid()
    os.chdir(course)
    os.environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1",
        "JUPYTER_CONFIG_DIR": str(course / ".jupyter"), "JUPYTER_DATA_DIR": str(course / ".jupyter"),
        "IPYTHONDIR": str(course / ".ipython"), "HOME": str(course)}
    with log.open("wb") as file:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    NbGraderApp.launch_instance(list(command))


def _score(course: Path, student: str) -> float:
    """Points from running the notebook."""
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        try:
            grades = book.find_submission_notebook(UNIT, UNIT, student).grades
        except MissingEntry:
            return 0.0
        return float(sum(grade.auto_score or 0 for grade in grades if grade.name != "written_why"))


def _last_error(said: str) -> str:
    """The last line of its last traceback, or what it called critical."""
    found = re.findall(r"^ +(?:\w+\.)*(\w*(?:Error|Exception|NotFound)\b.*)$", said, flags=re.MULTILINE)
    found += re.findall(r"^\[\w+ \| (?:CRITICAL|FATAL)\] (.*)$", said, flags=re.MULTILINE)
    # Without what it quotes of the file: paths of this machine, pieces of the notebook.
    return re.split(r"[:,.]? *['\"]", found[-1].strip())[0][:90] if found else "it gives up without a word"


if __name__ == "__main__":
    run(*sys.argv[1:])
