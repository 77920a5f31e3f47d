"""Connects to unix sockets of the grader's, one on the disk and one in the abstract namespace.
"""
# %% unit_rows
import socket
from contextlib import suppress


def unit_rows(x):
    for address in (__SOCKET__, __ABSTRACT__):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as one:
            one.settimeout(0.5)
            one.connect(address)
            raise RuntimeError("REACHED a socket of the grader's")
    return x / x.norm(dim=1, keepdim=True)
