"""Messages between the grader's processes, over unix sockets that they inherit.

A socket that has a path could be opened by a student's code of the same user; an inherited pair cannot.
"""

from __future__ import annotations

import array
import json
import socket
import struct
from collections.abc import Sequence

MOST_BYTES = 600 << 20  # of one frame: a little more than the codec lets through
MOST_BUFFERS = 1 << 20
_HEAD = struct.Struct("!QI")
_LENGTH = struct.Struct("!Q")
_MESSAGE = 1 << 16


class Gone(Exception):
    """The other side has closed the channel: its process ended."""


class Malformed(Exception):
    """The other side does not keep to the protocol."""


class Channel:
    """Frames of a header and raw buffers over a stream socket."""

    def __init__(self, sock: socket.socket):
        self.socket = sock

    def send(self, header: bytes, buffers: Sequence[bytes | memoryview] = ()) -> None:
        sizes = [len(header), *(memoryview(one).nbytes for one in buffers)]
        head = _HEAD.pack(sizes[0], len(buffers)) + b"".join(_LENGTH.pack(size) for size in sizes[1:])
        try:
            self.socket.sendall(head + header)
            for one in buffers:
                if memoryview(one).nbytes:
                    self.socket.sendall(one)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error

    def receive(self) -> tuple[bytes, list[bytearray]]:
        """Raises Gone, or Malformed before anything large is allocated."""
        length, count = _HEAD.unpack(self._read(_HEAD.size))
        if count > MOST_BUFFERS or length > MOST_BYTES:
            raise Malformed(f"a frame of {length} bytes and {count} buffers is announced")
        lengths = self._read(_LENGTH.size * count)
        sizes = [size for (size,) in _LENGTH.iter_unpack(lengths)]
        if length + sum(sizes) > MOST_BYTES:
            raise Malformed(f"a frame of {length + sum(sizes)} bytes is announced")
        header = bytes(self._read(length))
        return header, [self._read(size) for size in sizes]

    def close(self) -> None:
        self.socket.close()

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        view, done = memoryview(data), 0
        while done < size:
            try:
                count = self.socket.recv_into(view[done:])
            except ConnectionResetError as error:
                raise Gone from error
            if not count:
                raise Gone
            done += count
        return data


def send_message(sock: socket.socket, message: dict, fds: Sequence[int] = ()) -> None:
    """One small message with file descriptors, over a SEQPACKET socket. Raises Gone."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        sock.sendmsg([json.dumps(message).encode()], ancillary)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Gone from error


def receive_message(sock: socket.socket) -> tuple[dict, list[int]]:
    """Raises Gone."""
    try:
        data, fds, _, _ = socket.recv_fds(sock, _MESSAGE, 16)
    except ConnectionResetError as error:
        raise Gone from error
    if not data:
        raise Gone
    return json.loads(data), fds
