"""What a test sees of an answer: functions to call, handles for what is not plain data, errors with a known type.

Nothing here believes the other side: a reply is decoded by the codec, checked, and turned into plain values. An
exception of a student's comes as a class of the grader's own, so that it can be caught as the builtin it was.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch

from autograder.grading import codec, handover
from autograder.grading.wire import Channel, Gone, Malformed

MOST_ITEMS = 1_000_000  # of an iterator that an answer returns
_NEVER = {"SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "StopAsyncIteration", "AssertionError",
          "BaseException", "BaseExceptionGroup", "ExceptionGroup", "Exception"}


class StudentGone(BaseException):
    """The student's process ended in the middle of a request."""


class Tampered(BaseException):
    """What came from the student's side is nothing that it sends by itself."""


class StudentError(Exception):
    """An exception that an answer raised.

    name: of its class there. frames: (cell or None, line), outermost first, of the student's side.
    """

    name, said, frames = "Exception", "", ()

    def __str__(self) -> str:
        return self.said


class Student:
    """The student's side as the examiner sees it."""

    def __init__(self, channel: Channel, shared: handover.Shared):
        self.channel, self.shared = channel, shared
        self.behind: list[int] = []  # own cells that the other side has not been told of
        self.forgotten: list[int] = []

    def cell(self, index: int, source: str) -> None:
        """Run a cell; raises StudentError."""
        self._ask({"do": "cell", "index": index, "source": source})

    def own(self, index: int) -> None:
        """Bind what one of the lesson's own cells bound, before the next request."""
        self.behind.append(index)

    def function(self, name: str) -> Handle:
        """The proxy of a function or class that the student should have defined."""
        return Handle(self, name)

    def value(self, name: str) -> Any:
        """The data that a name of the student's is bound to, or a handle."""
        return self._ask({"do": "value", "name": name})

    def beside(self, function: Any, arguments: tuple, named: dict) -> Any:
        """Run a function of the test's next to the answer; see helpers.checks.beside."""
        request = {"do": "beside", "grad": torch.is_grad_enabled()}
        return self._ask(request, self._dumps((function, arguments, named)))

    def call(self, target: str | int, arguments: tuple, named: dict) -> Any:
        request = {"do": "call", "target": target, "grad": torch.is_grad_enabled()}
        return self._ask(request, self._dumps((arguments, named)))

    def of_handle(self, do: str, target: str | int, **more: Any) -> Any:
        data = self._dumps(((more.pop("key"),), {})) if "key" in more else None
        return self._ask({"do": do, "target": target, **more}, data)

    def _dumps(self, value: object) -> bytes:
        return self.shared.dumps(value, _key)

    def _ask(self, request: dict, data: bytes | None = None) -> Any:
        request |= {"own": self.behind, "forget": self.forgotten}
        self.behind, self.forgotten = [], []
        try:
            self.channel.send(json.dumps(request).encode(), [] if data is None else [data])
            header, buffers = self.channel.receive()
        except Gone:
            raise StudentGone from None
        except Malformed as error:
            raise Tampered(str(error)) from error
        try:
            reply = codec.decode(header, buffers, self._handle)
        except codec.BadData as error:
            raise Tampered(str(error)) from error
        return self._checked(reply)

    def _checked(self, reply: Any) -> Any:
        if type(reply) is not dict or reply.get("status") not in {"ok", "error", "output"}:
            raise Tampered("a reply without a status")
        if reply["status"] == "output":
            raise TooMuchOutput
        if reply["status"] == "error":
            raise _error(reply)
        return reply.get("value")

    def _handle(self, number: int, kind: str) -> Handle:
        return _handle_class(kind)(self, number)


class TooMuchOutput(BaseException):
    """An answer printed more than a notebook can hold."""


class Handle:
    """An object that stays on the student's side: it can be called, looked into, gone through and passed back.

    Anything that would take a value out of it by itself (comparing, converting, arithmetic) is refused, since tests
    must only judge plain data.
    """

    def __init__(self, student: Student, key: str | int):
        self._student, self._key = student, key
        if isinstance(key, str):
            self.__name__ = self.__qualname__ = key

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._student.call(self._key, arguments, named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._student.of_handle("attribute", self._key, name=name)

    def __getitem__(self, key: Any) -> Any:
        return self._student.of_handle("item", self._key, key=key)

    def __len__(self) -> int:
        length = self._student.of_handle("length", self._key)
        if type(length) is not int or length < 0:
            raise Tampered("a length that is no number")
        return length

    def __iter__(self) -> Iterator[Any]:
        key, first = self._key, True
        for _ in range(MOST_ITEMS):
            item = self._student.of_handle("next", key, first=first)
            if type(item) is not list or len(item) not in (1, 2) or type(item[0]) is not int:
                raise Tampered("an item that is none")
            key, first = item[0], False
            if len(item) == 1:
                return
            yield item[1]
        raise _made("ValueError", f"an iterator gave more than {MOST_ITEMS:,} items", [])

    def __next__(self) -> Any:
        item = self._student.of_handle("next", self._key, first=False)
        if type(item) is list and len(item) == 2:
            return item[1]
        raise StopIteration

    def __del__(self) -> None:
        if isinstance(self._key, int):
            self._student.forgotten.append(self._key)

    def __repr__(self) -> str:
        return f"<{self._key if isinstance(self._key, str) else type(self).__name__} of the answer>"


def _refuse(self: Handle, *_: Any) -> Any:
    raise _made("TypeError", f"wanted plain data, got {type(self).__name__}", [])


for _name in ("eq", "ne", "lt", "le", "gt", "ge", "bool", "float", "int", "index", "complex", "array", "add", "radd",
              "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "mod", "pow", "matmul", "rmatmul",
              "neg", "pos", "abs", "invert", "and", "or", "xor", "contains", "setitem", "delitem", "round", "bytes",
              "reduce_ex"):
    setattr(Handle, f"__{_name}__", _refuse)
Handle.__hash__ = object.__hash__


@cache
def _handle_class(kind: str) -> type[Handle]:
    """A class of the name that the object's class has, for messages that say what came."""
    return type(kind if kind.isidentifier() else "object", (Handle,), {})


def _key(value: object) -> str | int | None:
    return value._key if isinstance(value, Handle) else None


def _error(reply: dict) -> StudentError:
    kinds, said, frames = reply.get("kinds"), reply.get("said"), reply.get("frames")
    if type(kinds) is not list or type(said) is not str or type(frames) is not list:
        raise Tampered("an error without a name")
    names = [kind[:200] for kind in kinds if type(kind) is str]
    places = [(cell, line) for cell, line in
              (frame for frame in frames if type(frame) is tuple and len(frame) == 2)
              if type(line) is int and (cell is None or type(cell) is int)]
    known = next((kind for kind in names if _catchable(kind)), "Exception")
    return _made(known, said, places[:1000], names[0] if names else "Exception")


def _made(known: str, said: str, frames: list[tuple[int | None, int]], name: str = "") -> StudentError:
    kind = _error_class(known)
    builtin = getattr(builtins, known) if _catchable(known) else Exception
    error = builtin.__new__(kind)  # not called: some builtins want arguments of their own
    error.name, error.said, error.frames = name or known, said, frames
    return error


def _catchable(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, Exception) and name not in _NEVER


@cache
def _error_class(known: str) -> type[StudentError]:
    if not _catchable(known):
        return StudentError
    # The builtin goes first, since some (MemoryError) make their own objects only; several have their own __str__.
    return type(known, (getattr(builtins, known), StudentError), {"__str__": StudentError.__str__})
