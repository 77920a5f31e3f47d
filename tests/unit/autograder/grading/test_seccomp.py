"""The filter of system calls, tried in a process of its own."""

import subprocess
import sys

import pytest

from autograder.grading import seccomp

TRY = """
import ctypes, errno, json
from autograder.grading.seccomp import refuse_system_calls
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
refuse_system_calls()
def number(call):
    ctypes.set_errno(0)
    return (call(), ctypes.get_errno())
print(json.dumps([number(lambda: libc.unshare(0)), number(lambda: libc.ptrace(0, 0, 0, 0)), libc.getpid() > 0]))
import socket
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
    socket.socket(family, socket.SOCK_STREAM).close()
for family in (socket.AF_VSOCK, socket.AF_ALG, socket.AF_PACKET):
    print(number(lambda: libc.socket(int(family), 1, 0)))
import subprocess
print(subprocess.run(["echo", "programs run"], capture_output=True, text=True).stdout.strip())
"""


@pytest.mark.skipif(seccomp.refused() is None, reason="the numbers of this machine's system calls are not listed")
def test_what_answers_never_need_is_refused_and_the_rest_works():
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[[-1, 1], [-1, 1], true]", *["(-1, 1)"] * 3, "programs run"]


def test_the_lists_belong_together():
    for _, _, numbers in seccomp._NUMBERS.values():
        assert len(numbers) == len(seccomp._NAMES) == len(set(numbers))


def test_a_machine_without_a_list_is_told(monkeypatch):
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "pdp11")
    assert seccomp.refused() is None
    with pytest.raises(OSError, match="pdp11"):
        seccomp.refuse_system_calls()
