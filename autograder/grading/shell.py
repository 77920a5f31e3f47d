"""An IPython that runs the cells of a submission: magics and `display` work, and no kernel is needed."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from traitlets.config import Config

from autograder.grading.warm import cell_of, file_of


class TooMuchOutput(BaseException):
    """A cell printed more than a notebook can hold."""


class Output:
    """How much was shown since the last request. It is counted and dropped: it may hold inputs of hidden tests."""

    def __init__(self, most: int):
        self.most, self.seen = most, 0

    def add(self, shown: object) -> None:
        self.seen += len(str(shown))
        if self.seen > self.most:
            raise TooMuchOutput


class _Stream(io.TextIOBase):
    """stdout or stderr."""

    def __init__(self, output: Output):
        self.output = output

    def write(self, text: str) -> int:
        self.output.add(text)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1  # which leads nowhere

    @property
    def encoding(self) -> str:
        return "utf-8"


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, **kwargs) -> None:
        for shown in data.values():
            self.shell.output.add(shown)


class _Hook(DisplayHook):
    def __call__(self, result=None) -> None:
        if result is not None and not self.quiet():
            data, _ = self.shell.display_formatter.format(result)
            for shown in data.values():
                self.shell.output.add(shown)


class Shell(InteractiveShell):
    """The student's IPython; `start` it in the fork."""

    cell = -1  # the one that runs

    def start(self, most_output: int) -> None:
        self.output = Output(most_output)
        self.user_ns["display"] = display
        sys.stdout, sys.stderr = _Stream(self.output), _Stream(self.output)

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
        done = subprocess.run(command, shell=True, capture_output=True, text=True, errors="replace", check=False)
        self.user_ns["_exit_code"] = done.returncode
        print(done.stdout + done.stderr, end="")

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
