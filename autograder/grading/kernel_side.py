"""A Jupyter kernel in a fork of the zygote, for nbclient, papermill and nbgrader's own commands.

Its five sockets are bound by the grader and inherited, so that a box needs no folder of the host's to put them in.
"""

from __future__ import annotations

import json
import tempfile

import zmq
from ipykernel.heartbeat import Heartbeat
from ipykernel.kernelapp import IPKernelApp


def run(message: dict, fds: list[int]) -> None:
    """Be the kernel until it is shut down. message["connection"]: what its connection file holds; the ports are
    places in `fds`, counted from 1."""

    def bind(socket: zmq.Socket, ip: str, port: int) -> None:
        socket.setsockopt(zmq.USE_FD, fds[port - 1])
        socket.bind(f"ipc://{ip}-{port}")

    def of_app(app: IPKernelApp, socket: zmq.Socket, port: int) -> int:
        bind(socket, app.ip, port)
        return port

    IPKernelApp._try_bind_socket = of_app
    Heartbeat._try_bind_socket = lambda beat: bind(beat.socket, beat.ip, beat.port)
    zmq.Context._instance = None
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(message["connection"], file)
    IPKernelApp.launch_instance(["-f", file.name, "--HistoryManager.enabled=False"])

