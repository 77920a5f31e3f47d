"""Where things are: the course's folders, its units and the settings in pyproject.toml."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.errors import UsageError


@dataclass(frozen=True)
class Course:
    """A course folder. Every path that the tools use is derived here, and nowhere else."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Course:
        """The course that `start` (default: the current folder, then this checkout) lies in."""
        here = (start or Path.cwd()).resolve()
        for folder in [here, *here.parents, Path(__file__).resolve().parents[1]]:
            config = folder / "pyproject.toml"
            if config.is_file() and "[tool.course]" in config.read_text(encoding="utf-8"):
                return cls(folder)
        raise UsageError(f"{here} is not in a course: no pyproject.toml with a [tool.course] table above it.")

    @cached_property
    def settings(self) -> dict:
        return tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["course"]

    @property
    def planned_units(self) -> list[str]:
        """Every unit of the finished course, in order."""
        return list(self.settings["units"])

    @property
    def units(self) -> list[str]:
        """The units that have a source, in order."""
        return sorted(path.parent.name for path in (self.root / "source").glob("*/[0-9][0-9]_*.py")
                      if path.stem == path.parent.name)

    def unit(self, name: str) -> str:
        """The full name of a unit given as `04_logits_embeddings`, `04` or `4`."""
        wanted = name.strip().strip("/")
        number = f"{int(wanted):02d}" if wanted.isdecimal() else None
        for unit in self.units:
            if unit == wanted or (number and unit.startswith(number + "_")):
                return unit
        raise UsageError(f"There is no unit {name!r}; there are: {', '.join(self.units) or 'none yet'}.")

    def source(self, unit: str) -> Path:
        """The hand-written lesson: jupytext py:percent, with all the answers."""
        return self.root / "source" / unit / f"{unit}.py"

    def source_notebook(self, unit: str) -> Path:
        """The lesson as nbgrader reads it: generated, git-ignored."""
        return self.root / "source" / unit / f"{unit}.ipynb"

    def release(self, unit: str) -> Path:
        """The student edition."""
        return self.root / "release" / unit / f"{unit}.ipynb"

    def selfstudy(self, unit: str) -> Path:
        """The self-study edition."""
        return self.root / "notebooks" / f"{unit}.ipynb"

    def bank(self, unit: str) -> Path:
        """The answer bank: wrong and differently written right answers to each exercise."""
        return self.root / "tests" / "units" / f"bank_{unit}.py"

    @property
    def repository(self) -> str:
        """owner/name on GitHub; the environment's COURSE_REPOSITORY goes before pyproject.toml."""
        return os.environ.get("COURSE_REPOSITORY") or self.settings["repository"]
