"""Runs a command where the kernel refuses what a sandbox is made of, as macOS does that knows none of it.

`python -I -S refusals.py COMMAND ARGUMENT...`, on x86-64 or arm64 Linux: seccomp answers EPERM to `unshare`, and to
`prctl` where it asks for a signal at the parent's death, or for no new privileges.
"""

import ctypes
import os
import platform
import struct
import sys

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16
# The numbers of prctl and unshare.
_CALLS = {"x86_64": (157, 272), "aarch64": (167, 97)}


def refuse() -> None:
    """Put the filter around this process and all that it begins. Needs root."""
    prctl, unshare = _CALLS[platform.machine()]
    steps = [
        (_LOAD, 0, 0, _NUMBER_AT),
        (_EQUALS, 5, 0, unshare),
        (_EQUALS, 0, 3, prctl),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUALS, 2, 0, _PR_SET_PDEATHSIG),
        (_EQUALS, 1, 0, _PR_SET_NO_NEW_PRIVS),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EPERM),
    ]
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HL", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp is refused")


if __name__ == "__main__":
    refuse()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell wanted
