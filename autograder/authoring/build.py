"""`course build`: three editions of each lesson, the same bytes every time.

| made                              | by                                   | committed |
|-----------------------------------|--------------------------------------|-----------|
| source/NN_unit/NN_unit.ipynb      | percent: what nbgrader reads         | no        |
| release/NN_unit/NN_unit.ipynb     | release: nbgrader's own converter    | yes       |
| notebooks/NN_unit.ipynb           | selfstudy                            | yes       |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from autograder.authoring import lint, percent, release, selfstudy
from autograder.course import Course
from autograder.errors import AuthorError
from helpers.files import write_atomically

GENERATED = {".ipynb", *release.IMAGES}  # kinds that a build may remove where it no longer makes them
KEPT = {".gitkeep", "README.md"}


@dataclass
class BuildReport:
    """What a build did; paths are relative to the course folder."""

    units: list[str] = field(default_factory=list)  # built and whole
    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # unit -> why; its files are as they were


def build(course: Course, units: list[str] | None = None, *, check: bool = False,
          repository: str | None = None) -> BuildReport:
    """Make the editions of `units` (default: all), or with `check` only compare them with what is there.

    repository: owner/name for the Colab links, in place of the one in pyproject.toml. Raises AuthorError, after all
    other units are done, where a lesson cannot be built, and with `check` where a committed file differs from what
    its lesson gives.
    """
    chosen = [course.unit(name) for name in units] if units else course.units
    made, failed = _editions(course, chosen, repository)
    report = BuildReport(units=[unit for unit in chosen if unit not in failed], failed=failed)
    stale, strange = _not_made(course, chosen if units else None, made, failed)
    if check:
        _compare(course, made, [*stale, *strange], failed)
        report.unchanged = len(made)
        return report
    for path, data in made.items():
        target = course.root / path
        if target.is_file() and target.read_bytes() == data:
            report.unchanged += 1
        else:
            write_atomically(target, data)
            report.written.append(path)
    for path in stale:
        (course.root / path).unlink()
        report.removed.append(path)
        _drop_empty_folder(course, (course.root / path).parent)
    problems = [f"{unit}: {reason}" for unit, reason in failed.items()]
    problems += [f"{path} is not made by course build and would be handed to students: delete it." for path in strange]
    if problems:
        raise AuthorError("\n".join(problems))
    return report


def _editions(course: Course, units: list[str], repository: str | None) -> tuple[dict[str, bytes], dict[str, str]]:
    """Relative path -> bytes of every file of the units that can be built, and why the others cannot."""
    sources, failed = {}, {}
    for unit in units:
        try:
            sources[unit] = percent.read(course.source(unit))
            percent.dumps(sources[unit])  # valid as a notebook
            problems = lint.leaks(course, unit)
            if problems:
                failed[unit] = "\n".join(map(str, problems))
        except Exception as error:
            failed[unit] = f"{course.source(unit).name} cannot be read: {type(error).__name__}: {error}"
    released = release.generate(course, {unit: source for unit, source in sources.items() if unit not in failed})
    made: dict[str, bytes] = {}
    for unit, files in released.items():
        if isinstance(files, AuthorError):
            failed[unit] = str(files)
            continue
        student = nbformat.reads(files[f"{unit}.ipynb"].decode(), as_version=4)
        try:
            own = selfstudy.edition(course, unit, sources[unit], student, repository)
        except SyntaxError as error:
            failed[unit] = f"a solution cell is not Python: {error}"
            continue
        here = {course.source_notebook(unit): percent.dumps(sources[unit]), course.selfstudy(unit): percent.dumps(own)}
        here |= {course.release(unit).parent / name: data for name, data in files.items()}
        made |= {_relative(course, path): data for path, data in here.items()}
    return made, failed


def _not_made(course: Course, units: list[str] | None, made: dict[str, bytes],
              failed: dict[str, str]) -> tuple[list[str], list[str]]:
    """Files in release/ and notebooks/ that no lesson gives: those a build may remove, and those it may not.

    units: look only at these; None stands for the whole course, units that are gone included.
    """
    stale, strange = [], []
    for path in sorted((course.root / "release").rglob("*")):
        relative = _relative(course, path)
        parts = Path(relative).parts
        unit = parts[1]
        if path.is_dir() or relative in made or unit in failed or path.name in KEPT or ".ipynb_checkpoints" in parts:
            continue
        if units is None or unit in units:
            (stale if path.suffix.lower() in GENERATED else strange).append(relative)
    for path in sorted((course.root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        relative = _relative(course, path)
        if relative not in made and path.stem not in failed and (units is None or path.stem in units):
            stale.append(relative)
    return stale, strange


def _compare(course: Course, made: dict[str, bytes], extra: list[str], failed: dict[str, str]) -> None:
    differences = [f"{unit} cannot be built: {reason}" for unit, reason in failed.items()]
    uncommitted = {_relative(course, course.source_notebook(unit)) for unit in course.units}
    for path, data in made.items():
        if path in uncommitted:
            continue
        if not (course.root / path).is_file():
            differences.append(f"{path} is missing")
        elif (course.root / path).read_bytes() != data:
            differences.append(f"{path} differs from its source")
    differences += [f"{path} has no source" for path in extra]
    if differences:
        lines = "\n".join(f"  {line}" for line in differences)
        raise AuthorError(f"The editions are not what the lessons give:\n{lines}\n"
                          "Run `course build` and commit the result.")


def _relative(course: Course, path: Path) -> str:
    return path.relative_to(course.root).as_posix()


def _drop_empty_folder(course: Course, folder: Path) -> None:
    top = course.root / "release"
    while folder != top and top in folder.parents and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
