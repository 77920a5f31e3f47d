"""An IPython that runs the cells of a submission and keeps what they show: magics work, and no kernel is needed."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from traitlets.config import Config

from autograder.grading.warm import cell_of, file_of

KEPT = 200_000  # characters of a cell's output that go into the graded notebook


class TooMuchOutput(BaseException):
    """A cell printed more than a notebook can hold."""


class Outputs:
    """What a cell shows, as notebook outputs. It never holds more than `KEPT` characters; `most` ends the cell."""

    def __init__(self, most: int):
        self.most, self.seen, self.found = most, 0, []

    def text(self, name: str, text: str) -> None:
        room = KEPT - self.seen
        self._count(len(text))
        if room <= 0:
            return
        last = self.found[-1] if self.found else {}
        if last.get("output_type") == "stream" and last.get("name") == name:
            last["text"] += text[:room]
        else:
            self.found.append({"output_type": "stream", "name": name, "text": text[:room]})

    def data(self, kind: str, data: dict) -> None:
        size = sum(len(str(value)) for value in data.values())
        room = KEPT - self.seen
        self._count(size)
        if size <= room or "image/png" in data:
            self.found.append({"output_type": kind, "data": data, "metadata": {}})

    def take(self) -> list[dict]:
        found, self.found, self.seen = self.found, [], 0
        return found

    def _count(self, size: int) -> None:
        self.seen += size
        if self.seen > self.most:
            raise TooMuchOutput


class _Stream(io.TextIOBase):
    """stdout or stderr; text that the shell's programs write to its descriptor is not seen."""

    def __init__(self, name: str, outputs: Outputs):
        self.name, self.outputs = name, outputs

    def write(self, text: str) -> int:
        self.outputs.text(self.name, str(text))
        return len(text)

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:
        return "utf-8"


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, *, update=False, **kwargs) -> None:
        if not update:
            self.shell.outputs.data("display_data", dict(data))


class _Hook(DisplayHook):
    def __call__(self, result=None) -> None:
        if result is not None and not self.quiet():
            data, _ = self.shell.display_formatter.format(result)
            self.shell.outputs.data("execute_result", data)


class Shell(InteractiveShell):
    """The student's IPython; `start` it in the fork."""

    cell = -1  # the one that runs

    def start(self, most_output: int) -> None:
        self.outputs = Outputs(most_output)
        self.user_ns["display"] = display
        sys.stdout, sys.stderr = _Stream("stdout", self.outputs), _Stream("stderr", self.outputs)

    def run(self, index: int, source: str):
        """Run a cell; returns IPython's result, with the error in it."""
        self.cell = index
        return self.run_cell(source, store_history=True, silent=False)

    def showtraceback(self, *_, **__) -> None:
        """The examiner's side tells the error."""

    showsyntaxerror = showindentationerror = _showtraceback = showtraceback

    def ask_exit(self) -> None:
        raise SystemExit

    def system(self, command: str) -> None:
        self.outputs.text("stdout", os.popen(command).read())

    def enable_gui(self, gui=None) -> None:
        """There is no screen."""


def prepare(namespace: dict) -> Shell:
    """The shell, made before the fork since that takes longest; nothing of it starts a thread or writes a file.

    namespace: becomes that of `__main__`, the same dict.
    """
    quiet = Config({"HistoryManager": {"enabled": False}})
    shell = Shell.instance(config=quiet, user_module=_Main(namespace), displayhook_class=_Hook,
                           display_pub_class=_Publisher)
    shell.compile.get_code_name = lambda *_: file_of(shell.cell)
    return shell


class _Main:
    """Stands for the module `__main__`; its `__dict__` is a namespace that was there before."""

    def __init__(self, namespace: dict):
        self.__dict__ = namespace


def frames(error: BaseException, skip: Callable[[str], bool] = lambda name: False) -> list[tuple[int | None, int]]:
    """(cell or None, line) of each frame the error went through, outermost first."""
    found, trace = [], error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not skip(name):
            found.append((cell_of(name), trace.tb_lineno))
        trace = trace.tb_next
    return found
