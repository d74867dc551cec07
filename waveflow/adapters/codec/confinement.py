"""What the kernel forbids a compute process: connections, programs, processes beside itself.

Whoever takes over a decoder would ask the machine's metadata service for credentials, read
them from the parent's environment, or start a shell. Linux needs no privilege to forbid this,
in a container as well; elsewhere there is no confinement.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
_ALLOW, _REFUSE, _NOT_THERE = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_CLONE_THREAD = 0x10000
_CLONE3 = 435
"""Its flags lie in memory, where the filter can't look; without it, libraries use `clone`."""

_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_MAKE_CHAR_DEVICE, _MAKE_SOCKET, _MAKE_PIPE, _MAKE_BLOCK_DEVICE, _MAKE_LINK = (
    1 << bit for bit in (6, 9, 10, 11, 12)
)


@frozen
class _Machine:
    """What a kernel calls itself, and its numbers of the calls that no decoder needs."""

    audit_architecture: int
    clone: int
    refused: Mapping[str, int]
    foreign_from: int | None = None


_MACHINES: Mapping[str, _Machine] = MappingProxyType(
    {
        "x86_64": _Machine(
            0xC000003E,
            56,
            {
                "socket": 41,
                "socketpair": 53,  # It could send datagrams to sockets that have a name.
                "fork": 57,
                "vfork": 58,
                "execve": 59,
                "ptrace": 101,
                "keyctl": 250,
                "unshare": 272,
                "perf_event_open": 298,
                "process_vm_readv": 310,
                "process_vm_writev": 311,
                "bpf": 321,
                "execveat": 322,
                "userfaultfd": 323,
                "io_uring_setup": 425,
                "pidfd_getfd": 438,
            },
            foreign_from=0x40000000,  # The same calls in the x32 convention.
        ),
        "aarch64": _Machine(
            0xC00000B7,
            220,
            {
                "unshare": 97,
                "ptrace": 117,
                "socket": 198,
                "socketpair": 199,
                "keyctl": 219,
                "execve": 221,
                "perf_event_open": 241,
                "process_vm_readv": 270,
                "process_vm_writev": 271,
                "bpf": 280,
                "execveat": 281,
                "userfaultfd": 282,
                "io_uring_setup": 425,
                "pidfd_getfd": 438,
            },
        ),
    }
)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine() -> tuple[str, ...]:
    """Confine this process and whatever it forks, for good; open descriptors stay usable.

    Returns:
        What couldn't be had of `no_new_privileges`, `system_call_filter` and
        `process_separation`: each is a defence more, and work goes on without it.
    """
    if sys.platform != "linux":
        return ()
    measures = {
        "no_new_privileges": _renounce_privileges,
        "process_separation": _separate,
        "system_call_filter": _filter_calls,
    }
    return tuple(name for name, take in measures.items() if not take())


def _renounce_privileges() -> bool:
    return bool(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)


def _separate() -> bool:
    """Enter a Landlock domain: memory, environment and descriptors of others can't be read.

    The kernel wants something about files forbidden as well: making what is neither a file nor a
    folder, which the parent might take for a result. A domain also keeps files from being moved,
    or linked by a second name, from one folder to another.
    """
    devices = _MAKE_CHAR_DEVICE | _MAKE_BLOCK_DEVICE
    forbidden = struct.pack("=Q", devices | _MAKE_SOCKET | _MAKE_PIPE | _MAKE_LINK)
    ruleset = _libc().syscall(_LANDLOCK_CREATE_RULESET, forbidden, len(forbidden), 0)
    if ruleset < 0:
        return False
    try:
        return bool(_libc().syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _filter_calls() -> bool:
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.maxsize < 2**32:  # A 32-bit program makes another machine's calls.
        return False
    instructions = _filter_program(machine)
    program = _Program(len(instructions) // 8, instructions)
    pointer = ctypes.byref(program)
    return bool(_libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, pointer, 0, 0) == 0)


def _filter_program(machine: _Machine) -> bytes:
    """BPF instructions that refuse the machine's calls, and all calls of another architecture.

    Of `clone` only threads are left.
    """
    numbers = sorted(machine.refused.values())
    bound = [] if machine.foreign_from is None else [machine.foreign_from]
    tests = [(_JUMP_IF_AT_LEAST, number) for number in bound]
    tests += [(_JUMP_IF_EQUAL, number) for number in numbers]
    # A jump skips so many instructions. Seven follow the tests, "refuse" is the last but one.
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 0, len(tests) + 6, machine.audit_architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        *((code, len(tests) - index + 4, 0, value) for index, (code, value) in enumerate(tests)),
        (_JUMP_IF_EQUAL, 5, 0, _CLONE3),
        (_JUMP_IF_EQUAL, 0, 2, machine.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_JUMP_IF_SET, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _NOT_THERE),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
