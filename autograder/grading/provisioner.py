"""Jupyter kernels that are warm forks behind the wall, for nbclient, papermill and nbgrader's own commands.

`course kernel` installs a kernelspec that names this provisioner (entry point `jupyter_client.kernel_provisioners`).
The first kernel of a process starts a zygote with the libraries and the model; each kernel is a fork of it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import Int, Unicode

from autograder.errors import InfrastructureError
from autograder.grading.limits import MEMORY
from autograder.grading.servers import Server, config_of, environment
from autograder.grading.steps import OWN, Step
from autograder.grading.wall import choose_wall
from autograder.grading.watch import family, too_much, usage
from helpers.files import cache_dir

WARM = """
import matplotlib, numpy, transformers, torch
import transformers.models.llama.modeling_llama
from helpers import checks, models, plots, show
models.keep()
"""
_MOST_FILES = 50 << 20  # bytes beside a notebook that are copied for its kernel
_CHANNELS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
_POLL = 0.1


class WarmForkProvisioner(KernelProvisionerBase):
    """Starts a kernel by forking; keeps to its limit of memory. Raises InfrastructureError where the wall fails."""

    wall = Unicode("auto", config=True, help="auto, bwrap or none, as for `course grade --wall`.")
    memory = Int(MEMORY, config=True, help="Bytes that a kernel and what it starts may use together.")
    warm = Unicode(WARM, config=True, help="Python that is run once, before any kernel is forked.")

    keeper: int | None = None
    box: int | None = None
    pidfd: int | None = None
    status: int | None = None
    code: int | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager = self.parent
        self.folder = Path(tempfile.mkdtemp(prefix="k-"))  # short: a unix socket's path has at most 108 bytes
        manager.transport, manager.ip = "ipc", str(self.folder / "s")
        for number, channel in enumerate(_CHANNELS, 1):
            setattr(manager, channel, number)
        manager.connection_file = str(self.folder / "c.json")
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        return await super().pre_launch(cmd=manager.format_kernel_cmd(extra_arguments=[]), **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        connection = json.loads(Path(self.parent.connection_file).read_text(encoding="utf-8"))
        sockets = [self._listen(number) for number in range(1, len(_CHANNELS) + 1)]
        read_end, write_end = os.pipe()
        try:
            server, seen = await asyncio.to_thread(_zygote, self.wall, self.warm, self.memory)
            self.files = _copy(Path(kwargs.get("cwd") or "."), seen)
            message = {"do": "kernel", "connection": connection, "files": str(self.files)}
            reply, handed = await asyncio.to_thread(server.fork, message, [write_end, *(s.fileno() for s in sockets)])
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
            for sock in sockets:
                sock.close()
        self.keeper, self.box, self.status, self.code = reply["keeper"], reply.get("pid"), read_end, None
        self.pidfd = handed[0] if handed else None
        os.set_blocking(read_end, False)
        self.watch = asyncio.ensure_future(self._watch())
        return self.connection_info

    def _listen(self, number: int) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(f"{self.parent.ip}-{number}")
        sock.listen(100)
        return sock

    @property
    def has_process(self) -> bool:
        return self.status is not None

    async def poll(self) -> int | None:
        if self.status is None:
            return self.code if self.code is not None else 0
        try:
            said = os.read(self.status, 1000)
        except BlockingIOError:
            return None
        self.code = json.loads(said)["exit"] if said else -signal.SIGKILL
        self._close()
        return self.code

    async def wait(self) -> int | None:
        while await self.poll() is None:
            await asyncio.sleep(_POLL)
        return self.code

    async def send_signal(self, signum: int) -> None:
        if signum == 0 or self.status is None:
            return
        if signum == signal.SIGKILL:
            self._end()
            return
        for pid in family([self.keeper])[1:2]:  # the kernel itself, the keeper's only child
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    async def kill(self, restart: bool = False) -> None:
        self._end()

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        self._end()
        self._close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if getattr(self, "files", None) is not None:
            shutil.rmtree(self.files, ignore_errors=True)

    async def _watch(self) -> None:
        """End a kernel that takes more than its share; nobody else would."""
        while self.status is not None:
            roots = [pid for pid in (self.keeper, self.box) if pid]
            if too_much(usage(roots, self.box), self.memory):
                self._end()
                return
            await asyncio.sleep(_POLL)

    def _end(self) -> None:
        if self.status is None:
            return
        if self.pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        else:
            for pid in reversed(family([self.keeper])[1:]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _close(self) -> None:
        for fd in (self.status, self.pidfd):
            if fd is not None:
                os.close(fd)
        self.status = self.pidfd = None


_lock = threading.Lock()
_servers: dict[tuple[str, str, int], tuple[Server, Path]] = {}


def _zygote(wall: str, warm: str, memory: int) -> tuple[Server, Path]:
    """This process's zygote, and the folder that it can see."""
    with _lock:
        if (wall, warm, memory) not in _servers:
            seen = Path(tempfile.mkdtemp(prefix="kernels-"))
            seen.chmod(0o755)
            chosen = choose_wall(wall, seen, [cache_dir()])
            config = config_of("", [Step(0, OWN, source=warm)], chosen, seen, memory, kernels=True)
            server = Server("autograder.grading.zygote", config, chosen, seen)
            try:
                server.start()
            except InfrastructureError:  # behind the wall nothing can be cached: do it here, and try again
                subprocess.run([sys.executable, "-c", warm], env=os.environ | environment(seen), check=False,
                               capture_output=True)
                server.start()
            _servers[wall, warm, memory] = server, seen
        return _servers[wall, warm, memory]


def _copy(folder: Path, seen: Path) -> Path:
    """What lies beside the notebook, where the zygote can see it."""
    target = Path(tempfile.mkdtemp(dir=seen))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    if sum(path.stat().st_size for path in files) > _MOST_FILES:
        raise InfrastructureError(f"{folder} holds more than {_MOST_FILES >> 20} MB, which would be copied for each "
                                  "kernel: run the notebook in a folder of its own.")
    for path in files:
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


@atexit.register
def _stop() -> None:
    for server, seen in _servers.values():
        server.stop()
        shutil.rmtree(seen, ignore_errors=True)
    _servers.clear()
