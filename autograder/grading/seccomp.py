"""System calls that no answer needs and that kernels have had holes in: refused with EPERM for good.

A classic BPF program, as `man 2 seccomp` describes it; numbers from the kernel's syscall tables.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_FIRST_ARGUMENT = 16  # its offset in struct seccomp_data
_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink: those that network namespaces keep in; vsock is not
_X32 = 0x40000000  # x86-64's second set of numbers

_NAMES = ("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "add_key", "request_key", "keyctl", "bpf",
          "perf_event_open", "userfaultfd", "mount", "umount2", "pivot_root", "chroot", "setns", "unshare",
          "open_by_handle_at", "init_module", "finit_module", "delete_module", "kexec_load", "swapon", "swapoff",
          "reboot", "acct", "quotactl")
_NUMBERS = {
    "x86_64": (0xC000003E, 41, (101, 310, 311, 312, 248, 249, 250, 321, 298, 323, 165, 166, 155, 161, 308, 272,
                            304, 175, 313, 176, 246, 167, 168, 169, 163, 179)),
    "aarch64": (0xC00000B7, 198, (117, 270, 271, 272, 217, 218, 219, 280, 241, 282, 40, 39, 41, 51, 268, 97,
                             265, 105, 273, 106, 104, 224, 225, 142, 89, 60)),
}
_ON_BOTH = (425, 426, 427,  # io_uring
            428, 429, 442,  # open_tree, move_mount, mount_setattr
            430, 431, 432, 433,  # fsopen, fsconfig, fsmount, fspick
            438, 440, 443, 447)  # pidfd_getfd, process_madvise, quotactl_fd, memfd_secret


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def refused() -> tuple[int, int, list[int]] | None:
    """(the machine's audit number, that of socket(), the refused calls' numbers); None where they are not known."""
    if platform.machine() not in _NUMBERS:
        return None
    audit, socket_number, numbers = _NUMBERS[platform.machine()]
    return audit, socket_number, sorted({*numbers, *_ON_BOTH})


def refuse_system_calls() -> None:
    """Install the filter in this process; needs no_new_privs. Raises OSError where the kernel says no."""
    found = refused()
    if found is None:
        raise OSError(f"no list of system calls for {platform.machine()}")
    audit, socket_number, numbers = found
    checks = [*((_EQUAL, number) for number in numbers), (_AT_LEAST, _X32)]
    last = 4 + len(checks) + 2 + len(_FAMILIES)  # where EPERM is returned; ALLOW is returned one further on
    lines: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, 4), (_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    for operation, number in checks:
        lines.append((operation, last - len(lines) - 1, 0, number))
    lines.append((_EQUAL, 0, last - len(lines), socket_number))  # any other call than socket() is allowed
    lines.append((_LOAD, 0, 0, _FIRST_ARGUMENT))
    for family in _FAMILIES:
        lines.append((_EQUAL, last - len(lines), 0, family))
    lines += [(_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    code = [struct.pack("HBBI", *line) for line in lines]
    raw = b"".join(code)
    program = _Program(len(code), raw)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, "the kernel takes no filter of system calls")
