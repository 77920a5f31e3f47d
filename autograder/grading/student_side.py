"""The process that answers run in: does what the examiner asks for, and sends back plain data.

All of it runs beside hostile code. What it replies is a claim about what an answer returned, and nothing more.

A request is one frame, a JSON header and at most one buffer, pickled by the examiner:
    cell: run a cell (an answer, or one of the lesson's that depends on answers)      value: a name, as data
    call: a function, method or handle with arguments       beside: a function of the test's, with arguments
    attribute, item, length, next: of a handle
Before it does that, it binds what cells of the lesson's own bound (`own`), and forgets handles (`forget`).
A reply is one value of the codec: {"status": "ok" | "error" | "output", ...}.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import torch

from autograder.grading import codec, handover
from autograder.grading.shell import Shell, TooMuchOutput, frames
from autograder.grading.warm import Warm, cell_of
from autograder.grading.wire import Channel, Gone
from helpers import checks

_LONGEST_ERROR = 4000
_HERE = str(Path(__file__).parent) + os.sep


class StudentSide:
    """Serves one submission until the channel closes."""

    def __init__(self, channel: Channel, warm: Warm, shell: Shell):
        self.channel, self.warm, self.shell = channel, warm, shell
        self.pid = os.getpid()
        self.handles: dict[int, object] = {}
        self.twins: dict = {}

    def serve(self) -> None:
        actions: dict[str, Callable] = {
            name: getattr(self, f"_{name}")
            for name in ("cell", "value", "call", "beside", "attribute", "item", "length", "next")}
        while True:
            try:
                header, buffers = self.channel.receive()
            except Gone:
                return
            request = json.loads(header)
            for index in request["own"]:
                self.warm.apply(index)
            for number in request["forget"]:
                self.handles.pop(number, None)
            reply = self._guarded(actions[request["do"]], request, bytes(buffers[0]) if buffers else b"")
            if os.getpid() != self.pid:  # an answer has forked, and this is the copy
                os._exit(0)
            try:
                encoded = codec.encode(reply, self._keep)
            except BaseException as error:
                encoded = codec.encode(self._error(error), self._keep)
            try:
                self.channel.send(*encoded)
            except Gone:
                return

    def _guarded(self, action: Callable[[dict, bytes], dict], request: dict, data: bytes) -> dict:
        try:
            self.shell.output.seen = 0
            signal.signal(signal.SIGINT, signal.default_int_handler)
            return action(request, data)
        except TooMuchOutput:
            return {"status": "output"}
        except BaseException as error:
            return self._error(error)
        finally:
            for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
                signal.setitimer(timer, 0)  # an answer's alarm must not ring in the next answer
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # nobody is interrupted between two requests

    def _error(self, error: BaseException) -> dict:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        try:
            said = str(error)[:_LONGEST_ERROR]
        except BaseException:
            said = ""
        return {"status": "error", "kinds": kinds, "said": said, "frames": frames(error, _is_ours)}

    def _value_of(self, value: object) -> dict:
        return {"status": "ok", "value": value}

    def _cell(self, request: dict, data: bytes) -> dict:
        result = self.shell.run(request["index"], request["source"])
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            raise error
        return self._value_of(None)

    def _value(self, request: dict, data: bytes) -> dict:
        return self._value_of(self._named(request["name"]))

    def _call(self, request: dict, data: bytes) -> dict:
        arguments, named = self._load(data)
        function = self._answer(request["target"])
        with torch.set_grad_enabled(request["grad"]):
            return self._value_of(function(*arguments, **named))

    def _beside(self, request: dict, data: bytes) -> dict:
        function, arguments, named = self._load(data)
        with torch.set_grad_enabled(request["grad"]):
            return self._value_of(checks.beside(function, *arguments, **named))

    def _attribute(self, request: dict, data: bytes) -> dict:
        return self._value_of(getattr(self._answer(request["target"]), request["name"]))

    def _item(self, request: dict, data: bytes) -> dict:
        (key,), _ = self._load(data)
        return self._value_of(self._answer(request["target"])[key])

    def _length(self, request: dict, data: bytes) -> dict:
        return self._value_of(len(self._answer(request["target"])))

    def _next(self, request: dict, data: bytes) -> dict:
        """One more item of an iterator; the first time, of what can be iterated over."""
        made = request["target"]
        if request["first"]:
            iterator = iter(self._answer(made))
            made = self._keep(iterator)
        try:
            return {"status": "ok", "value": [made, next(self._answer(made))]}
        except StopIteration:
            return {"status": "ok", "value": [made]}

    def _load(self, data: bytes) -> object:
        return handover.loads(data, self.warm.everything, self._answer, self.twins)

    def _answer(self, key: str | int) -> object:
        return self._named(key) if isinstance(key, str) else self.handles[key]

    def _named(self, name: str) -> object:
        try:
            return self.shell.user_ns[name]
        except KeyError:
            raise NameError(f"name {name!r} is not defined") from None

    def _keep(self, value: object) -> int:
        number = len(self.handles)
        while number in self.handles:
            number += 1
        self.handles[number] = value
        return number


def _is_ours(filename: str) -> bool:
    """Frames of this package, through which every call goes, tell a student nothing."""
    return cell_of(filename) is None and filename.startswith(_HERE)


def run(channel: Channel, warm: Warm, shell: Shell, most_output: int) -> None:
    """Be the student's side, in a forked process."""
    shell.start(most_output)
    StudentSide(channel, warm, shell).serve()
