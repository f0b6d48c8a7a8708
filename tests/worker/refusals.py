"""Runs a command on a kernel that refuses some of what a sandbox is made of, as user 65532 or as the same.

`python -I -S refusals.py pod|old|none COMMAND ARGUMENT...`, by root, on x86-64 or arm64 Linux:

- `pod`: as user 65532, with no new namespaces, as containers run under seccomp's profile RuntimeDefault;
- `old`: no namespaces, no Landlock and no filters, as in gVisor or on an old kernel;
- `none`: moreover no signal at the parent's death and no way to give up privileges, as on macOS.
"""

import ctypes
import os
import platform
import struct
import sys

POD_USER = 65_532
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_LOAD, _EQUALS, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16
_NEW_NAMESPACES = 0x7E020000
_LANDLOCK_CREATE, _CLONE3 = 444, 435
# The numbers of prctl, unshare, clone and seccomp.
_CALLS = {"x86_64": (157, 272, 56, 317), "aarch64": (167, 97, 220, 277)}
_REFUSED_SETTINGS = {
    "pod": (),
    "old": (_PR_SET_SECCOMP,),
    "none": (_PR_SET_SECCOMP, _PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS),
}


def steps_of(kind: str) -> list[tuple[int, int, int, int]]:
    """The filter: each call is compared, and what is not refused is allowed."""
    prctl, unshare, clone, seccomp = _CALLS[platform.machine()]
    unknown = {"pod": [_CLONE3]}.get(kind, [_CLONE3, _LANDLOCK_CREATE, seccomp])
    steps = [(_LOAD, 0, 0, _NUMBER_AT)]
    for number in unknown:
        steps += [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, _ENOSYS)]
    steps += [(_EQUALS, 0, 1, unshare), (_RETURN, 0, 0, _EPERM)]
    by_flags = [(_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), (_RETURN, 0, 0, _EPERM)]
    steps += [(_EQUALS, 0, len(by_flags) + 1, clone), *by_flags, (_RETURN, 0, 0, _ALLOW)]
    settings = [(_LOAD, 0, 0, _FIRST_ARGUMENT_AT)]
    for setting in _REFUSED_SETTINGS[kind]:
        settings += [(_EQUALS, 0, 1, setting), (_RETURN, 0, 0, _EPERM)]
    return [*steps, (_EQUALS, 0, len(settings), prctl), *settings, (_RETURN, 0, 0, _ALLOW)]


def refuse(kind: str) -> None:
    """Put the filter around this process and all that it begins. Needs root."""
    steps = steps_of(kind)
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HL", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp is refused")


if __name__ == "__main__":
    refuse(sys.argv[1])
    if sys.argv[1] == "pod":
        os.setgroups([])
        os.setgid(POD_USER)
        os.setuid(POD_USER)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell wanted
