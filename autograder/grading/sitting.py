"""One student's process and one examiner, forked and connected for a submission, and ended together."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket

from autograder.grading.servers import Server
from autograder.grading.watch import Usage, family, usage
from autograder.grading.wire import Channel


class Sitting:
    """A student's process and an examiner, connected; both are gone after the `with` block."""

    def __init__(self, zygote: Server, examiner: Server, work: str):
        self.zygote, self.examiner_server, self.work = zygote, examiner, work
        self.examiner: int | None = None
        self.keeper = self.box = self.pidfd = None
        self.code: int | None = None

    def __enter__(self) -> Sitting:
        ours, theirs = socket.socketpair()  # grader and examiner
        left, right = socket.socketpair()  # examiner and student
        read_end, write_end = os.pipe()
        self.status, self.report = read_end, Channel(ours)
        try:
            message = {"do": "student", "files": self.work}
            reply, handed = self.zygote.fork(message, [write_end, right.fileno()])
            self.keeper, self.box = reply["keeper"], reply.get("pid")
            self.pidfd = handed[0] if handed else None
            reply, handed = self.examiner_server.fork({"do": "examine"}, [left.fileno(), theirs.fileno()])
            self.examiner, self.examiner_fd = reply["pid"], handed[0]
        except BaseException:
            self.end()
            self.report.close()
            raise
        finally:
            os.close(write_end)
            for sock in (theirs, left, right):
                sock.close()
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()
        self.report.close()

    def usage(self) -> Usage:
        """Of both sides: what comes back from an answer fills the examiner's memory."""
        return usage([pid for pid in (self.keeper, self.box, self.examiner) if pid], self.box)

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in what the student's process runs, as a notebook's stop button does."""
        for pid in family([self.keeper])[1:2]:  # the keeper's only child
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)

    def end(self, patience: float = 0.0) -> int | None:
        """End both processes and all that they started; returns the student's exit code, if it ended by itself.

        patience: seconds to wait for that code.
        """
        if self.status is None:
            return self.code
        if select.select([self.status], [], [], patience)[0]:
            with contextlib.suppress(ValueError, KeyError):
                self.code = json.loads(os.read(self.status, 1000))["exit"]
        if self.pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.close(self.pidfd)
        elif self.keeper is not None:
            for pid in reversed(family([self.keeper])):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.examiner is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.examiner_fd, signal.SIGKILL)
            os.close(self.examiner_fd)
        os.close(self.status)
        self.status = None
        return self.code
