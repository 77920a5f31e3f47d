"""A process that has everything loaded and forks itself on demand: what the zygote and the examiner have in common."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable

from autograder.grading.wire import Gone, receive_message, send_message
from autograder.single_thread import assert_one_thread

_REAP_SECONDS = 0.5


def serve(control: socket.socket, start: Callable[[dict, list[int]], tuple[dict, list[int]]],
          ended: Callable[[int], None] = lambda pid: None) -> None:
    """Answer each message with what `start` replies, until the other side goes away.

    start: forks; gets the message and its descriptors, which are closed here afterwards.
    ended: is told the pid of each child that has ended.
    """
    send_message(control, {"ready": True})
    while True:
        readable, _, _ = select.select([control], [], [], _REAP_SECONDS)
        _reap(ended)
        if not readable:
            continue
        try:
            message, fds = receive_message(control)
        except Gone:
            return
        try:
            assert_one_thread("before a fork")
            reply, handed = start(message, fds)
        except Exception as error:
            reply, handed = {"error": f"{type(error).__name__}: {error}"}, []
        with contextlib.suppress(Gone):
            send_message(control, reply, handed)
        for fd in {*fds, *handed}:
            os.close(fd)


def fork(child: Callable[[], None]) -> int:
    """Run `child` in a forked process that then ends, whatever happens; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        child()
        os._exit(0)
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc(file=sys.__stderr__)
        os._exit(70)


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor but `kept`; 0, 1 and 2 lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        if fd not in kept:
            os.dup2(nowhere, fd)
    last = 2
    for fd in [*sorted(fd for fd in kept if fd > 2), os.sysconf("SC_OPEN_MAX")]:
        os.closerange(last + 1, fd)
        last = fd


def reset_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def reseed() -> None:
    """Forks of one process would otherwise draw the same numbers as each other."""
    import random

    import numpy as np
    import torch

    seed = int.from_bytes(os.urandom(4), "little")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _reap(ended: Callable[[int], None]) -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        ended(pid)
