"""One cold Jupyter kernel that runs the cells of one submission, watched from outside."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from autograder.errors import InfrastructureError
from autograder.grading.limits import Limits
from autograder.grading.traceback_text import Frame, read_frames
from helpers.files import cache_dir

_POLL = 0.2  # seconds between two looks at a running cell
_KEPT_OUTPUT = 200_000  # bytes of a cell's output that go into the executed notebook
_SOCKET_PATH = 100  # a unix socket's path has at most 108 bytes
_QUIET = logging.getLogger("autograder.grading.kernel")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class Stopped(Exception):
    """Grading was interrupted."""


@dataclass
class Reply:
    """How one cell ended.

    status: ok, error (the cell raised), timeout, memory, output (printed too much) or killed (the process ended).
    alive: the kernel can run the next cell. frames: where an error came from, outermost first.
    """

    status: str
    alive: bool = True
    ename: str = ""
    evalue: str = ""
    frames: list[Frame] = field(default_factory=list)
    seconds: float = 0.0
    limit: float = 0.0
    exit_code: int | None = None


class Kernel:
    """`kernel = await Kernel(limits).start()`, then `await kernel.run(index, cell, seconds)`, at last `stop()`.

    files: copied into the working folder, under the path that they have in `base`.
    stopping: set by whoever wants every running cell to end.
    """

    def __init__(self, limits: Limits, files: tuple[Path, ...] = (), base: Path | None = None,
                 stopping: threading.Event | None = None):
        self.limits, self.files, self.base = limits, files, base
        self.stopping = stopping or threading.Event()
        self.cell_of: dict[int, int] = {}  # execution count -> index of the cell
        self.process: psutil.Process | None = None

    async def start(self) -> Kernel:
        self.folder = Path(tempfile.mkdtemp(prefix="nb-"))
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def stop(self) -> None:
        self._kill()
        with contextlib.suppress(Exception):
            self.client.kc.stop_channels()
        with contextlib.suppress(Exception):
            await self.manager.shutdown_kernel(now=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _start(self) -> None:
        work = self.folder / "work"
        work.mkdir()
        for file in self.files:
            target = work / (file.relative_to(self.base) if self.base else file.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        self.manager = AsyncKernelManager(
            kernel_name="python3", kernel_spec_manager=_ThisPython(), log=_QUIET,
            connection_file=str(self.folder / "c.json"))
        if len(str(self.folder)) < _SOCKET_PATH - 10 and sys.platform != "win32":
            self.manager.transport, self.manager.ip = "ipc", str(self.folder / "s")
        self.client = _Client(nbformat.v4.new_notebook(), km=self.manager, log=_QUIET, timeout=None, startup_timeout=60,
                              allow_errors=True, skip_cells_with_tag="", record_timing=False,
                              store_widget_state=False, coalesce_streams=True)
        try:
            await self.client.async_start_new_kernel(
                cwd=str(work), env=environment(self.folder, self.limits.threads),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.process = psutil.Process(self.manager.provisioner.pid)
            await self.client.async_start_new_kernel_client()
        except Exception as error:
            raise InfrastructureError(f"A kernel could not be started ({error}). "
                                      "Is `python -m ipykernel_launcher --version` working?") from error

    async def run(self, index: int, cell: NotebookNode, seconds: float) -> Reply:
        """Run `cell` for at most `seconds`; its outputs are put into it.

        index: where it stands in the lesson, -1 if it is none of the lesson's.
        """
        self.client.begin(cell)
        start = time.monotonic()
        task = asyncio.ensure_future(self.client.async_execute_cell(cell, 0))
        why = await self._attend(task, start + seconds)
        if why == "timeout" and self._alive():
            self._signal(signal.SIGINT)
            await asyncio.wait({task}, timeout=self.limits.grace)
        if why in {"memory", "output"} or not task.done():
            self._kill()
            await asyncio.wait({task}, timeout=5)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1)
        died = not task.done() or task.cancelled() or isinstance(task.exception(), RuntimeError)
        if not died and task.exception() is not None:
            raise task.exception()
        if any(payload.get("source") == "ask_exit" for payload in self.client.content.get("payload") or []):
            died = await self._gone(2)  # exit() and quit() reply first and end the kernel then
        reply = self._reply(index, why, alive=not died and self._alive())
        reply.seconds, reply.limit = time.monotonic() - start, seconds
        return reply

    async def _gone(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self._alive() and time.monotonic() < end:
            await asyncio.sleep(0.02)
        return not self._alive()

    async def _attend(self, task: asyncio.Future, deadline: float) -> str | None:
        """Wait until the cell is done; say what must end it before that."""
        while True:
            await asyncio.wait({task}, timeout=_POLL)
            if task.done():
                return "output" if self.client.seen > self.limits.output else None
            if self.stopping.is_set():
                self._kill()
                await asyncio.wait({task}, timeout=3)
                task.cancel()
                with contextlib.suppress(BaseException):
                    await task
                raise Stopped
            if self.client.seen > self.limits.output:
                return "output"
            if time.monotonic() > deadline:
                return "timeout"
            if self._memory() > self.limits.memory:
                return "memory"
            if not self._alive():
                await asyncio.wait({task}, timeout=2)  # nbclient looks once a second and may have a reply
                return None

    def _reply(self, index: int, why: str | None, alive: bool) -> Reply:
        content = self.client.content
        if why is not None:
            return Reply(why, alive)
        if not alive:
            code = self._exit_code()
            # Nobody here sent SIGKILL: the system did, for want of memory.
            return Reply("memory" if code == -signal.SIGKILL else "killed", False, exit_code=code)
        if content.get("execution_count") and index >= 0:
            self.cell_of[content["execution_count"]] = index
        if content.get("status") == "ok":
            return Reply("ok", alive)
        frames = read_frames(content.get("traceback") or [], self.cell_of)
        return Reply("error", alive, str(content.get("ename", "")), str(content.get("evalue", "")), frames)

    def _alive(self) -> bool:
        return self._exit_code() is None

    def _exit_code(self) -> int | None:
        process = getattr(self.manager.provisioner, "process", None)
        return process.poll() if process is not None else 0

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _kill(self) -> None:
        """End the kernel and all that it started, also what left its process group."""
        if self.process is None:
            return
        with contextlib.suppress(psutil.Error):
            for child in self.process.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        self._signal(signal.SIGKILL)

    def _memory(self) -> int:
        with contextlib.suppress(psutil.Error):
            return sum(_private(process) for process in [self.process, *self.process.children(recursive=True)])
        return 0


class _Client(NotebookClient):
    """nbclient, keeping the reply of each cell and counting what it prints."""

    def begin(self, cell: NotebookNode) -> None:
        # nbclient writes the cell it ran back into its notebook, and so is given one that nobody else holds.
        self.nb.cells = [cell]
        self._display_id_map = {}
        self.content: dict = {}
        self.seen = 0
        self.on_cell_executed = self._replied

    def _replied(self, cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        self.content = execute_reply.get("content", {})

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int):
        if msg["msg_type"] in {"stream", "display_data", "execute_result", "error", "update_display_data"}:
            self.seen += _size(msg["content"])
            if self.seen > _KEPT_OUTPUT:
                return None
        return super().process_message(msg, cell, cell_index)


class _ThisPython(KernelSpecManager):
    """The environment that grading runs in, whatever kernels the user has installed or the notebook asks for."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}",
                "--HistoryManager.enabled=False"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python", interrupt_mode="signal")


def environment(folder: Path, threads: int) -> dict[str, str]:
    """What a kernel sees of the grader's environment: no tokens, no database, no configuration of the user."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
                                                "SSL_CERT_FILE", "CUDA_VISIBLE_DEVICES") if name in os.environ}
    count = str(threads)
    return {
        "PATH": os.defpath, "LANG": "C.UTF-8", **kept,
        "HOME": str(folder), "IPYTHONDIR": str(folder / "ipython"), "TMPDIR": str(folder),
        "JUPYTER_RUNTIME_DIR": str(folder), "HF_HOME": str(folder / "huggingface"),
        "MPLCONFIGDIR": str(cache_dir("matplotlib")), "COURSE_CACHE": str(cache_dir()), "MPLBACKEND": "Agg",
        "NBGRADER_EXECUTION": "autograde", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count, "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _size(content: dict) -> int:
    data = content.get("data")
    parts = [content.get("text"), content.get("evalue"), *(data.values() if isinstance(data, dict) else ())]
    return sum(len(part) if isinstance(part, str) else len(str(part)) for part in parts if part) + 50


def _private(process: psutil.Process) -> int:
    """Bytes that only this process has: memory-mapped model files are shared and do not count."""
    status = Path(f"/proc/{process.pid}/status")
    try:
        sizes = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return sum(int(sizes[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem"))
    except (OSError, KeyError, ValueError):
        return process.memory_info().rss
