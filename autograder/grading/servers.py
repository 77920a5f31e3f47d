"""The grader's end of its two fork servers: the zygote behind the wall, and the examiner."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from os.path import normpath
from pathlib import Path

from autograder import single_thread
from autograder.errors import InfrastructureError
from autograder.grading.steps import Step
from autograder.grading.wall import NoWall, Wall
from autograder.grading.wire import Gone, receive_message, send_message
from helpers.files import cache_dir

_WARM_SECONDS = 300.0
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "CUDA_VISIBLE_DEVICES")

# A server ends with its parent, and to the kernel that is the thread which started it: so it is one that stays.
_launcher = ThreadPoolExecutor(1, thread_name_prefix="launcher")


class Server:
    """One fork server. It is started when it is first needed, and again when it has died; all calls are serialized.

    module: what `python -m` runs. config: what the module reads, without the answers of anybody.
    """

    def __init__(self, module: str, config: dict, wall: Wall | None = None, folder: Path | None = None):
        self.module, self.config, self.wall, self.folder = module, config, wall or NoWall(), folder
        self.lock = threading.Lock()
        self.process: subprocess.Popen | None = None
        self.control: socket.socket | None = None

    def fork(self, message: dict, fds: Sequence[int]) -> tuple[dict, list[int]]:
        """Ask for a fork that gets `fds`; returns the reply and the descriptors that came with it.

        Raises InfrastructureError if the server cannot be started, or dies twice in a row.
        """
        with self.lock:
            for attempt in (1, 2):
                if self.process is None or self.process.poll() is not None:
                    self._start()
                try:
                    send_message(self.control, message, fds)
                    reply, handed = receive_message(self.control)
                except (Gone, TimeoutError):  # a late reply would be taken for that to the next message
                    self._stop()
                    if attempt == 2:
                        raise InfrastructureError(f"{self.module} ended twice. {self._said()}") from None
                    continue
                if "error" in reply:
                    raise InfrastructureError(f"{self.module} could not fork: {reply['error']}. {self._said()}")
                return reply, handed
        raise AssertionError

    def start(self) -> None:
        """Start now what would else be started with the first submission."""
        with self.lock:
            if self.process is None:
                self._start()

    def stop(self) -> None:
        with self.lock:
            self._stop()

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = self.folder / f"{self.module.rpartition('.')[2]}.json"
        path.write_text(json.dumps(self.config), encoding="utf-8")
        path.chmod(0o644)
        command = [normpath(sys.executable), "-m", self.module, str(theirs.fileno()), str(path)]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = _launcher.submit(
            subprocess.Popen, self.wall.around_zygote(command, environment(self.folder)), pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd="/", start_new_session=True).result()
        theirs.close()
        ours.settimeout(_WARM_SECONDS)
        self.control = ours
        try:
            hello, _ = receive_message(ours)
        except (Gone, TimeoutError):
            self._stop()
            raise InfrastructureError(f"{self.module} did not start. {self._said()}") from None
        if "failed" in hello:
            self._stop()
            raise InfrastructureError(f"The lesson's own cell {hello['failed']}. Nothing was graded: run `course check "
                                      f"{self.config['unit']} --run` and `course doctor`.")

    def _stop(self) -> None:
        if self.process is not None:
            self.control.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
            self.process.kill()
            self.process.wait()
            self.process = None

    def _said(self) -> str:
        """The last lines of what the process wrote, for the person who has to mend it."""
        with contextlib.suppress(OSError, ValueError):
            self.log.seek(-min(4096, self.log.seek(0, 2)), 2)
            lines = self.log.read().decode(errors="replace").strip().splitlines()
            return "It said: " + " / ".join(lines[-3:]) if lines else ""
        return ""


def config_of(unit: str, steps: Sequence[Step], wall: Wall, work: Path, memory: int, output: int = 0,
              kernels: bool = False) -> dict:
    """kernels: the zygote starts Jupyter kernels, not students' sides."""
    return {"unit": unit, "kernels": kernels, "steps": [asdict(step) for step in steps], "wall": wall.as_dict(),
            "work": str(work), "memory": memory, "output": output}


def environment(folder: Path) -> dict[str, str]:
    """What is seen of the grader's environment: no tokens, no database, no configuration of the user's."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        "PATH": os.defpath, "LANG": "C.UTF-8", **kept, **single_thread.ENVIRONMENT,
        "HOME": str(folder), "TMPDIR": "/tmp", "HF_HOME": "/tmp/huggingface", "IPYTHONDIR": "/tmp/ipython",
        "MPLCONFIGDIR": str(cache_dir("matplotlib")), "COURSE_CACHE": str(cache_dir()), "MPLBACKEND": "Agg",
        "NBGRADER_EXECUTION": "autograde", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
