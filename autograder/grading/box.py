"""How a process gives up its rights: become nobody in particular, enter a box, keep nothing but what answers need."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

from autograder.grading.seccomp import refuse_system_calls
from autograder.grading.wall import HOME, UNPRIVILEGED

# Names from the kernel's headers sched.h, prctl.h and capability.h.
_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_PDEATHSIG, _SET_DUMPABLE, _CAPBSET_DROP, _SUBREAPER, _NO_NEW_PRIVS = 1, 4, 24, 36, 38
_CAPABILITY_VERSION = 0x20080522
_PROCESSES, _OPEN_FILES, _FILE_BYTES = 256, 1024, 256 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def become_unprivileged() -> None:
    """Leave uid 0 for good: the code of a submission must never run as the host's root, not even in a box."""
    os.setgroups([])
    os.setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED)
    os.setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED)


def end_with_the_parent() -> None:
    """Die when the process that forked this one does. A change of user undoes it."""
    _prctl(_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of whatever is left behind below this process, so that it can be found and ended."""
    _prctl(_SUBREAPER, 1)


def enter(pidfd: int) -> None:
    """Join all namespaces of the box that `pidfd` is the first process of; children are born in its pid namespace."""
    kinds = _NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS | _NEWCGROUP
    if _libc.setns(pidfd, kinds):
        raise OSError(ctypes.get_errno(), "a box cannot be entered")


def drop_rights() -> None:
    """In the box: no capability, now or through a program; no system call that answers do not need."""
    if os.getuid() == 0:
        raise PermissionError("an answer must not run as root")
    for capability in range(64):
        if _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0):
            break  # the kernel knows no more
    _prctl(_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    if _libc.capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    for line in status.splitlines():
        if line.startswith("Cap") and int(line.split()[1], 16):
            raise PermissionError(f"a capability is left: {line}")
    _prctl(_SET_DUMPABLE, 1)  # so that the process may look at its own /proc, as libraries do
    refuse_system_calls()


def limit(memory: int, in_box: bool) -> None:
    """What one process may use; `watch` looks at all of a box together. memory: bytes beyond what it has now.

    Processes are counted for a user in a namespace: outside a box that would be everything the grader's user runs.
    """
    _limit(resource.RLIMIT_CORE, 0)
    if in_box:
        _limit(resource.RLIMIT_NPROC, _PROCESSES)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    _limit(resource.RLIMIT_DATA, _data() + memory)  # asking for more is a MemoryError, no sudden end


def environment_inside(work: str) -> dict[str, str]:
    """What differs for an answer from the zygote's environment. work: its current folder, which lies at home."""
    home = str(Path(work).parent) if work.startswith(HOME) else work
    return {"HOME": home, "IPYTHONDIR": f"{home}/.ipython", "TMPDIR": "/tmp", "USER": "student",
            "LOGNAME": "student", "HF_HOME": f"{home}/huggingface", "JUPYTER_RUNTIME_DIR": "/tmp"}


def _data() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData"):
            return int(line.split()[1]) << 10
    return 1 << 30


def _limit(which: int, amount: int) -> None:
    hard = resource.getrlimit(which)[1]
    amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(which, (amount, amount))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
