"""Files that are either whole or not there, however a process ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

APP = "llms-from-the-inside"


def cache_dir(*parts: str) -> Path:
    """The folder for what can be made again (converted weights, parsed articles); created if missing.

    `COURSE_CACHE` overrides the user's own cache folder, as on a shared machine or in a test.
    """
    import platformdirs

    root = os.environ.get("COURSE_CACHE") or platformdirs.user_cache_dir(APP)
    folder = Path(root).expanduser().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_atomically(path: Path | str, data: bytes | str) -> Path:
    """Write the whole file or leave what was there: a reader never sees half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = data.encode("utf-8") if isinstance(data, str) else data
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        _readable_by_all(Path(name))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when the block ends well, and vanishes when it does not.

    Only one process makes `target` at a time; the others wait. If `target` is there already (another process
    made it meanwhile), the new one is dropped: what is made here depends on its inputs alone.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield scratch
        for path in [scratch, *scratch.rglob("*")]:
            _readable_by_all(path)
        if not target.exists():
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def locked(path: Path) -> FileLock:
    """A lock between processes, held on `path` + '.lock' for the length of a `with` block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{path}.lock")


def _readable_by_all(path: Path) -> None:
    # mkstemp and mkdtemp make private files; a grader that runs under another user must be able to read them.
    path.chmod(0o755 if path.is_dir() else 0o644)
