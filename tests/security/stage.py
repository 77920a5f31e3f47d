"""What attacks aim at: decoys that may be hit without harm, and that tell afterwards whether they were.

For the case NAME, these stand in its source:

    __MARK__        a word for command lines of processes that it starts: none may be there afterwards
    __LOOT__        a file that it tries to write on the grader's disk
    __DECOY__       a file on the grader's disk that it tries to read or change
    __PORT__        a TCP port of 127.0.0.1 that listens; __UDP__ one that takes datagrams
    __SOCKET__      a unix socket in a folder; __ABSTRACT__ one that is in none; __SHM_KEY__ for System V memory
    __PID__         a sleeping process of the grader's user
    __OUT__         the folder with the gradebook; __SUBMISSIONS__ and __SOURCE__: the class and the lesson
    __HOST_PIDS__   the name of the grader's pid namespace: a case that signals every process makes sure that it is
                    in another one first
"""

from __future__ import annotations

import ctypes
import os
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from corpus import CANARIES, Case

SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", str(Path.home()))
SECRET = "WALL_" + "SECRET"  # the environment variable; a case that names it in one word would find itself


class Stage:
    """`with Stage(scratch, ...) as stage`: `stage.values(case)` before, `stage.look()` and `stage.evidence(case)`
    after the run."""

    def __init__(self, scratch: Path, course: Path, submissions: Path, out: Path):
        self.scratch, self.course, self.submissions, self.out = scratch, course, submissions, out
        self.secret = secrets.token_hex(12)
        self.word = f"wallmark{secrets.token_hex(2)}"  # two stages on one machine know their own
        self.decoys: dict[str, bytes] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        self.reached: set[str] = set()
        self.sockets: list[socket.socket] = []
        self.selector = selectors.DefaultSelector()
        self.closing = threading.Event()
        self.left_running: list[str] = []
        self.written: dict[str, list[Path]] = {}

    def __enter__(self) -> Stage:
        for name in ("loot", "decoys", "s"):
            (self.scratch / name).mkdir(parents=True)
        os.environ[SECRET] = self.secret
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        return self

    def __exit__(self, *exception: object) -> None:
        os.environ.pop(SECRET, None)
        self.closing.set()
        self.listener.join()
        for process in self.processes.values():
            process.kill()
            process.wait()
        for one in self.sockets:
            one.close()
        self.sweep()

    def values(self, case: Case) -> dict[str, object]:
        """Placeholder -> value; sets up only what the case names."""
        made = {
            "__MARK__": lambda: self.mark(case),
            "__LOOT__": lambda: str(self._loot(case)),
            "__DECOY__": lambda: self._decoy(case),
            "__PORT__": lambda: self._bound(case, socket.SOCK_STREAM),
            "__UDP__": lambda: self._bound(case, socket.SOCK_DGRAM),
            "__SOCKET__": lambda: self._unix(case),
            "__ABSTRACT__": lambda: self._unix(case, abstract=True),
            "__SHM_KEY__": lambda: self._shm_key(case),
            "__PID__": lambda: self._process(case),
            "__OUT__": lambda: str(self.out),
            "__SUBMISSIONS__": lambda: str(self.submissions),
            "__SOURCE__": lambda: str(self.course / "source"),
            "__HOST_PIDS__": lambda: str(Path("/proc/self/ns/pid").readlink()),
        }
        return {name: make() for name, make in made.items() if name in case.text}

    def look(self) -> None:
        """Once grading has ended: see what runs, and what grading wrote, by what is in a path (folders, stem)."""
        self.left_running = [_words(process) for process in self.survivors()]
        self.written = defaultdict(list)
        for path in sorted(self.out.rglob("*")):
            if path.is_file():
                for name in {*path.relative_to(self.out).parts, path.stem}:
                    self.written[name].append(path)

    def evidence(self, case: Case) -> list[str]:
        """What the case did outside of its box, as the last `look` showed it."""
        found = []
        if case.name in self.reached:
            found.append("made a connection")
        if case.name in self.decoys:
            path = self._decoy_path(case)
            if not path.is_file() or path.read_bytes() != self.decoys[case.name]:
                found.append("changed a file of the grader's")
        if self._loot(case).exists():
            found.append("wrote on the grader's disk")
        if case.name in self.processes and self.processes[case.name].poll() is not None:
            found.append("ended a process of the grader's")
        if any(self.mark(case) in words for words in self.left_running):
            found.append("left a process running")
        if str(self._shm_key(case)) in Path("/proc/sysvipc/shm").read_text().split():
            found.append("left shared memory")
        for folder in SHARED:
            if any(Path(folder).glob(f"{self.mark(case)}*")):
                found.append(f"left something in {folder}")
        return found + self._told(case)

    def survivors(self) -> list[psutil.Process]:
        own = {process.pid for process in self.processes.values()} | {os.getpid()}
        return [one for one in psutil.process_iter() if one.pid not in own and self.word in _words(one)]

    def sweep(self) -> None:
        """End what cases left running, once it is known."""
        for process in self.survivors():
            with suppress(psutil.Error):
                process.kill()

    def mark(self, case: Case) -> str:
        return f"{self.word}{case.name[:3]}"  # 15 characters: a process can have it as its name

    def _told(self, case: Case) -> list[str]:
        """Secrets in what grading wrote about this student, and hidden tests in what is not for instructors alone."""
        found = []
        for path in self.written.get(case.name, ()):
            parts = path.relative_to(self.out).parts
            raw = path.read_bytes()
            if path.suffix == ".html" and b"<script>alert(" in raw:
                found.append("put a script into a page")
            if self.secret.encode() in raw:
                found.append("told a secret of the grader's")
            if parts[0] not in ("autograded", "submitted") and CANARIES.search(raw):
                found.append("told a hidden test")
        return list(dict.fromkeys(found))

    def _shm_key(self, case: Case) -> int:
        return 0x57414000 + int(case.name[:3])

    def _loot(self, case: Case) -> Path:
        return self.scratch / "loot" / case.name

    def _decoy_path(self, case: Case) -> Path:
        return self.scratch / "decoys" / case.name

    def _decoy(self, case: Case) -> str:
        self.decoys[case.name] = f"a decoy, with a secret: {self.secret}\n".encode()
        self._decoy_path(case).write_bytes(self.decoys[case.name])
        return str(self._decoy_path(case))

    def _process(self, case: Case) -> int:
        code = "import time; time.sleep(1200)"
        self.processes[case.name] = subprocess.Popen([sys.executable, "-S", "-c", code, "wallmark-decoy"])
        return self.processes[case.name].pid

    def _bound(self, case: Case, kind: int) -> int:
        one = socket.socket(socket.AF_INET, kind)
        one.bind(("127.0.0.1", 0))
        self._watch(one, case)
        return one.getsockname()[1]

    def _unix(self, case: Case, abstract: bool = False) -> str:
        one = socket.socket(socket.AF_UNIX)
        path = f"\0{self.mark(case)}" if abstract else str(self.scratch / "s" / case.name[:3])
        one.bind(path)
        self._watch(one, case)
        return path

    def _watch(self, one: socket.socket, case: Case) -> None:
        if one.type == socket.SOCK_STREAM:
            one.listen()
        one.setblocking(False)
        self.sockets.append(one)
        self.selector.register(one, selectors.EVENT_READ, case.name)

    def _listen(self) -> None:
        while not self.closing.wait(0.02):
            if not self.sockets:
                continue
            for key, _ in self.selector.select(timeout=0.1):
                self.reached.add(key.data)
                with suppress(OSError):
                    if key.fileobj.type == socket.SOCK_STREAM:
                        key.fileobj.accept()[0].close()
                    else:
                        key.fileobj.recv(4096)


def clear(stage: Stage, case: Case) -> None:
    """Take away what a case left behind in shared folders, where it got there."""
    libc = ctypes.CDLL(None)
    place = libc.shmget(stage._shm_key(case), 0, 0)
    if place >= 0:
        libc.shmctl(place, 0, None)
    for folder in SHARED:
        for path in Path(folder).glob(f"{stage.mark(case)}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _words(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return " ".join([process.name(), *process.cmdline()])
    return ""
