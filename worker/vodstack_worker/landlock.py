"""Landlock: what this process may read, write and execute from now on, and to which TCP ports it may connect.

Every process may restrict itself so, for good. docs/adr/0083-a-sandbox-without-namespaces.md
"""

import ctypes
import os
import struct

# The numbers of its system calls, on every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_ALONE = 0o10000000  # O_PATH, which only Linux has
_RULE_OF_PATH, _RULE_OF_PORT = 1, 2
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
# The versions of the interface that brought what is used here.
_TCP_SINCE, _SCOPES_SINCE = 4, 6

# What may be done with a file, or below a folder. The numbers are the kernel's.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER, _MAKE_FILE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 8
_MOVE, _TRUNCATE, _CONTROL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_OF_THE_FIRST_VERSION = (1 << 13) - 1
_SINCE = {2: _MOVE, 3: _TRUNCATE, 5: _CONTROL_DEVICE}
# A file has these alone of all rights.
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _CONTROL_DEVICE
READ = _READ_FILE | _READ_FOLDER
RUN = READ | _EXECUTE
WRITE = READ | _WRITE_FILE | _MAKE_FILE | _TRUNCATE
DEVICE = _READ_FILE | _WRITE_FILE

# A path, or the descriptor of an open file, and what may be done with it or below it. A path that is not there is
# passed over.
Rule = tuple[str | int, int]


def restrict(libc: ctypes.CDLL, rules: list[Rule], port: int) -> bool:
    """Allow what `rules` say and connections to `port`, if it is not 0. False where the kernel does not restrict files.

    Needs `PR_SET_NO_NEW_PRIVS`. Older kernels restrict less: no TCP before version 4, no signals before version 6.
    """
    version = _call(libc, _CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        return False
    handled = _handled(version)
    attributes = _attributes(version, handled)
    ruleset = _call(libc, _CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        for rule in rules:
            _allow(libc, ruleset, rule, handled)
        if port and version >= _TCP_SINCE:
            _call(libc, _ADD_RULE, ruleset, _RULE_OF_PORT, struct.pack("=QQ", _CONNECT_TCP, port), 0)
        return _call(libc, _RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _handled(version: int) -> int:
    """What is forbidden unless a rule allows it: all that this version knows of."""
    handled = _OF_THE_FIRST_VERSION
    for first, access in _SINCE.items():
        if version >= first:
            handled |= access
    return handled


def _attributes(version: int, handled: int) -> bytes:
    fields = [handled]
    if version >= _TCP_SINCE:
        fields.append(_BIND_TCP | _CONNECT_TCP)
    if version >= _SCOPES_SINCE:
        fields.append(_SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS)
    return struct.pack(f"={len(fields)}Q", *fields)


def _allow(libc: ctypes.CDLL, ruleset: int, rule: Rule, handled: int) -> None:
    path, access = rule
    try:
        descriptor = path if isinstance(path, int) else os.open(path, _PATH_ALONE | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):  # noqa: PTH112 - pathlib would be imported before every tool
        access &= _OF_A_FILE
    _call(libc, _ADD_RULE, ruleset, _RULE_OF_PATH, struct.pack("=Qi", access & handled, descriptor), 0)
    if descriptor != path:
        os.close(descriptor)


def _call(libc: ctypes.CDLL, number: int, *arguments: int | bytes | None) -> int:
    """Make a system call, with -1 where it is refused or unknown."""
    system_call = getattr(libc, "syscall", None)
    if system_call is None:
        return -1
    wide = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    return int(system_call(ctypes.c_long(number), *wide))
