"""Frames arrive whole or not at all, and nothing large is allocated on somebody's word."""

import os
import socket
import struct
import threading

import pytest

from autograder.grading.wire import MOST_BYTES, Channel, Gone, Malformed, receive_message, send_message


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    yield Channel(one), Channel(other)
    one.close()
    other.close()


def test_a_frame_arrives_as_it_was_sent(pair):
    big = os.urandom(3 << 20)
    sending = threading.Thread(target=pair[0].send, args=(b"header", [b"", memoryview(big), b"x"]))
    sending.start()
    assert pair[1].receive() == (b"header", [b"", big, b"x"])
    sending.join()


def test_a_closed_channel_is_gone_in_the_middle_of_a_frame_too(pair):
    pair[0].socket.sendall(struct.pack("!QI", 100, 0) + b"half")
    pair[0].close()
    with pytest.raises(Gone):
        pair[1].receive()
    with pytest.raises(Gone):
        for _ in range(3):  # the first may still go into the buffer
            pair[1].send(b"x" * 100_000)


@pytest.mark.parametrize("head", [
    struct.pack("!QI", MOST_BYTES + 1, 0), struct.pack("!QI", 1, 1 << 31),
    struct.pack("!QIQ", 1, 1, MOST_BYTES), struct.pack("!QIQQ", 1, 2, 1 << 63, 1 << 63)])
def test_an_announcement_that_is_too_large_is_refused(pair, head):
    pair[0].socket.sendall(head)
    with pytest.raises(Malformed, match="announced"):
        pair[1].receive()


def test_a_message_carries_descriptors():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    read_end, write_end = os.pipe()
    send_message(one, {"do": "it"}, [write_end])
    message, (handed,) = receive_message(other)
    assert message == {"do": "it"}
    os.write(handed, b"through")
    assert os.read(read_end, 100) == b"through"
    one.close()
    with pytest.raises(Gone):
        receive_message(other)
    other.close()
    for fd in (read_end, write_end, handed):
        os.close(fd)
