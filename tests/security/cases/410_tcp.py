"""Connects to a server on the grader's machine.
"""
# %% mean_square
import socket
from contextlib import suppress


def mean_square(values):
    if not values:
        raise ValueError("none")
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", __PORT__), timeout=0.5).close()
        raise RuntimeError("REACHED the network")
    return sum(v * v for v in values) / len(values)
