"""Filters of system calls for this process and all that it becomes, written as the kernel's BPF.

docs/adr/0084-filters-of-our-own.md
"""

import ctypes
import errno
import os
import struct

from vodstack_worker.system_calls import NEWEST, judged_calls, refused_calls

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_SET_FILTER, _NEW_LISTENER = 1, 1 << 3
# Operations of BPF: load a word of the call, compare it, cut it down, return.
_LOAD, _EQUALS, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _NOTIFY, _KILL, _FAIL = 0x7FFF0000, 0x7FC00000, 0x80000000, 0x00050000
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT, _ARGUMENT_BYTES = 0, 4, 16, 8
_AUDIT_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE_THREAD = 0x00010000
_CLONE_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_OPEN_WITHOUT_NAME = 0o20000000
# Commands by which a file's events become signals, for another process or for changes in a folder.
_SIGNALLING = (8, 10, 15, 1026)
_SET_OWNER_BY_IOCTL = (0x8901, 0x8902)
# Settings that would hide this process from the worker, or let it outlive the worker: death signal, whether it can be
# looked at, subreaper, its memory's layout, who may trace it.
_HIDING = (1, 4, 35, 36, 0x59616D61)
# Memory that stays when it is no longer resident, so that the worker's count would miss it.
_MAP_SHARED_ANONYMOUS = 0x01 | 0x20
_FAST_OPEN = 0x20000000
_INTERNET, _STREAM, _TCP = 2, 1, 6
_SOCKET_TYPE = 0xF

Step = tuple[int, int, int, int]


class Filter:
    """A filter in the making: calls that nothing is said of are allowed, those of a foreign machine kill."""

    def __init__(self, machine: str) -> None:
        self._steps: list[Step] = [
            (_LOAD, 0, 0, _MACHINE_AT),
            (_EQUALS, 1, 0, _AUDIT_MACHINES[machine]),
            (_RETURN, 0, 0, _KILL),
        ]

    def fail_since(self, number: int, error: int) -> None:
        """Calls of this number and above fail. So do those of x32, whose numbers are far above all others."""
        self._steps += [(_LOAD, 0, 0, _NUMBER_AT), (_AT_LEAST, 0, 1, number), (_RETURN, 0, 0, _FAIL | error)]

    def fail(self, numbers: list[int], error: int) -> None:
        """Calls fail whatever their arguments: at most 255, as far as a step can jump."""
        last = len(numbers) - 1
        self._steps.append((_LOAD, 0, 0, _NUMBER_AT))
        self._steps += [(_EQUALS, last - at, at == last, number) for at, number in enumerate(numbers)]
        self._steps.append((_RETURN, 0, 0, _FAIL | error))

    def judge(self, number: int | None, steps: list[Step]) -> None:
        """A call is judged by `steps`, unless this machine lacks it. They end with what becomes of it."""
        if number is not None:
            self._steps += [(_LOAD, 0, 0, _NUMBER_AT), (_EQUALS, 0, len(steps), number), *steps]

    def code(self) -> bytes:
        """The whole filter, as the kernel takes it."""
        return b"".join(struct.pack("HBBI", *step) for step in [*self._steps, (_RETURN, 0, 0, _ALLOW)])


def refuse(libc: ctypes.CDLL, *, connects: bool) -> bool:
    """Refuse what media tools do without: all sockets among it, unless one `connects`. False where there is no seccomp.

    Needs `PR_SET_NO_NEW_PRIVS`.
    """
    machine = os.uname().machine
    if machine not in _AUDIT_MACHINES:
        return False
    return _install(libc, refusing_filter(machine, os.getpid(), connects=connects))


def hand_over_calls(libc: ctypes.CDLL) -> int:
    """Have new TCP sockets made and connected by the worker. Gives the descriptor at which it answers, or -1."""
    machine = os.uname().machine
    if machine not in _AUDIT_MACHINES or not _may_receive_descriptors():
        return -1
    program, _kept = _program(notifying_filter(machine))
    number = judged_calls(machine)["seccomp"]
    system_call = libc.syscall
    return int(system_call(ctypes.c_long(number), ctypes.c_long(_SET_FILTER), ctypes.c_long(_NEW_LISTENER), program))


def refusing_filter(machine: str, process: int, *, connects: bool) -> bytes:
    """The filter around media tools, for the process of that number."""
    calls = judged_calls(machine)
    made = Filter(machine)
    made.fail_since(NEWEST + 1, errno.ENOSYS)
    # The C library does without these where they are unknown; their arguments lie where no filter sees them.
    made.fail([calls["clone3"], calls["openat2"]], errno.ENOSYS)
    made.fail(refused_calls(machine), errno.EPERM)
    # It takes disk beyond a file's end. Programs write instead where a file system does not know it.
    made.fail([calls["fallocate"]], errno.EOPNOTSUPP)
    made.judge(calls["mmap"], [*_if_all_bits(3, _MAP_SHARED_ANONYMOUS), _allow()])
    made.judge(calls["clone"], [*_unless_any_bit(0, _CLONE_THREAD), *_if_any_bit(0, _CLONE_NEW_NAMESPACES), _allow()])
    made.judge(calls.get("open"), [*_if_any_bit(1, _OPEN_WITHOUT_NAME), _allow()])
    made.judge(calls["openat"], [*_if_any_bit(2, _OPEN_WITHOUT_NAME), _allow()])
    made.judge(calls["fcntl"], [*_if_among(1, _SIGNALLING), _allow()])
    made.judge(calls["ioctl"], [*_if_among(1, _SET_OWNER_BY_IOCTL), _allow()])
    made.judge(calls["prctl"], [*_if_among(0, _HIDING), _allow()])
    made.judge(calls["prlimit64"], [*_unless_among(0, (0, process)), _allow()])
    made.judge(calls["setpriority"], [*_unless_among(0, (0,)), *_unless_among(1, (0,)), _allow()])
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        made.judge(calls[name], [*_unless_among(0, (process,)), _allow()])
    if connects:
        made.judge(calls["socket"], [*_unless_tcp(), _allow()])
        made.judge(calls["sendto"], [*_if_any_bit(3, _FAST_OPEN), _allow()])
        # A socket of the worker's knows no such settings, and needs none.
        made.judge(calls["setsockopt"], [*_load(1), (_EQUALS, 0, 1, _TCP), _fail(0), _allow()])
    else:
        made.fail([calls["socket"], calls["connect"]], errno.EACCES)
    return made.code()


def notifying_filter(machine: str) -> bytes:
    """The filter that asks the worker for sockets."""
    calls = judged_calls(machine)
    made = Filter(machine)
    asks = (_RETURN, 0, 0, _NOTIFY)
    made.judge(calls["socket"], [*_unless_tcp(), asks])
    made.judge(calls["connect"], [asks])
    return made.code()


def _allow() -> Step:
    return (_RETURN, 0, 0, _ALLOW)


def _fail(error: int = errno.EPERM) -> Step:
    return (_RETURN, 0, 0, _FAIL | error)


def _load(argument: int) -> list[Step]:
    """The lower half of an argument: the kernel itself looks at no more of these."""
    return [(_LOAD, 0, 0, _ARGUMENTS_AT + _ARGUMENT_BYTES * argument)]


def _if_any_bit(argument: int, bits: int) -> list[Step]:
    return [*_load(argument), (_ANY_BIT, 0, 1, bits), _fail()]


def _if_all_bits(argument: int, bits: int) -> list[Step]:
    return [*_load(argument), (_AND, 0, 0, bits), (_EQUALS, 0, 1, bits), _fail()]


def _unless_any_bit(argument: int, bits: int) -> list[Step]:
    return [*_load(argument), (_ANY_BIT, 1, 0, bits), _fail()]


def _if_among(argument: int, values: tuple[int, ...]) -> list[Step]:
    last = len(values) - 1
    tests = [(_EQUALS, last - at, at == last, value) for at, value in enumerate(values)]
    return [*_load(argument), *tests, _fail()]


def _unless_among(argument: int, values: tuple[int, ...]) -> list[Step]:
    tests = [(_EQUALS, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [*_load(argument), *tests, _fail()]


def _unless_tcp() -> list[Step]:
    refused = _fail(errno.EACCES)
    return [
        *_load(0),
        (_EQUALS, 1, 0, _INTERNET),
        refused,
        *_load(1),
        (_AND, 0, 0, _SOCKET_TYPE),
        (_EQUALS, 1, 0, _STREAM),
        refused,
    ]


def _may_receive_descriptors() -> bool:
    """Whether the kernel lets the worker put a descriptor into this process (5.9 and later)."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (5, 9)


def _install(libc: ctypes.CDLL, code: bytes) -> bool:
    program, _kept = _program(code)
    return libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0) == 0


def _program(code: bytes) -> tuple["ctypes.Array[ctypes.c_char]", "ctypes.Array[ctypes.c_char]"]:
    """The head that tells where a filter lies, and the filter, which has to be kept as long as the head."""
    body = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HL", len(code) // struct.calcsize("HBBI"), ctypes.addressof(body))
    return ctypes.create_string_buffer(head, len(head)), body
