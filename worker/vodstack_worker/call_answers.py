"""Answers a sandboxed tool's calls for TCP sockets: it gets one end of a socket pair, and never an internet socket.

The kernel holds each call back until it is answered, see seccomp_unotify(2).
docs/adr/0083-a-sandbox-without-namespaces.md
"""

import errno
import fcntl
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from vodstack_worker.system_calls import judged_calls

_RECEIVE, _SEND, _ADD_DESCRIPTOR = 0xC0502100, 0xC0182101, 0x40182103
_NOTIFICATION_BYTES = 80
_ID, _CALL, _ARGUMENTS = struct.Struct("=Q"), struct.Struct("=i"), struct.Struct("=6Q")
_CALL_AT, _ARGUMENTS_AT = 16, 32
_ANSWER, _DESCRIPTOR = struct.Struct("=QqiI"), struct.Struct("=QIIII")
_AND_ANSWER = 1 << 1
_BUFFER_BYTES = 1024 * 1024
_NONBLOCKING, _CLOSE_ON_EXECUTE = 0o4000, 0o2000000


@contextmanager
def answered_calls(descriptor: int, connect: Callable[[socket.socket], bool]) -> Generator[None]:
    """Give `connect` the other end of each socket that the tool asks for; where it does not want it, there is none.

    It is called in a thread of its own: an answer takes as long as the tool makes it take, for the kernel waits there
    until the thread that asked has run, and nothing else may wait for that.
    """
    end, ended = os.pipe()
    threading.Thread(target=_answer_until, args=(descriptor, end, connect), daemon=True).start()
    try:
        yield
    finally:
        # The thread may be held by the tool until that is killed: it is not waited for, and closes what it uses.
        os.close(ended)


def _answer_until(descriptor: int, end: int, connect: Callable[[socket.socket], bool]) -> None:
    """Answer until the other side of `end` is closed, or there is no tool any more."""
    calls = judged_calls(os.uname().machine)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.register(end, select.POLLIN)
    try:
        while True:
            ready = dict(poll.poll())
            if end in ready or not ready[descriptor] & select.POLLIN:
                return
            # The tool may be gone, may have been interrupted, or may have no room for a descriptor.
            with suppress(OSError):
                _answer(descriptor, calls, connect)
    finally:
        os.close(descriptor)
        os.close(end)


def _answer(descriptor: int, calls: dict[str, int], connect: Callable[[socket.socket], bool]) -> None:
    notification = bytearray(_NOTIFICATION_BYTES)
    fcntl.ioctl(descriptor, _RECEIVE, notification)
    (identity,) = _ID.unpack_from(notification)
    (call,) = _CALL.unpack_from(notification, _CALL_AT)
    kind = _ARGUMENTS.unpack_from(notification, _ARGUMENTS_AT)[1]
    if call != calls["socket"]:
        fcntl.ioctl(descriptor, _SEND, _ANSWER.pack(identity, 0, 0, 0))
        return
    ours, theirs = socket.socketpair()
    with theirs:
        if not connect(ours):
            ours.close()
            fcntl.ioctl(descriptor, _SEND, _ANSWER.pack(identity, 0, -errno.EMFILE, 0))
            return
        # As far as the system allows: its usual buffers hold little of a piece, and each end waits for the other.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        theirs.setblocking(not kind & _NONBLOCKING)
        try:
            _give(descriptor, identity, theirs, kind & _CLOSE_ON_EXECUTE)
        except OSError as error:
            # Not left without an answer: the thread that asked would wait for ever.
            fcntl.ioctl(descriptor, _SEND, _ANSWER.pack(identity, 0, -(error.errno or errno.EMFILE), 0))


def _give(descriptor: int, identity: int, given: socket.socket, flags: int) -> None:
    """Put a socket into the tool, and answer with its number there."""
    try:
        fcntl.ioctl(descriptor, _ADD_DESCRIPTOR, _DESCRIPTOR.pack(identity, _AND_ANSWER, given.fileno(), 0, flags))
    except OSError as error:
        # Before Linux 5.14 these are two steps.
        if error.errno != errno.EINVAL:
            raise
        number = fcntl.ioctl(descriptor, _ADD_DESCRIPTOR, _DESCRIPTOR.pack(identity, 0, given.fileno(), 0, flags))
        fcntl.ioctl(descriptor, _SEND, _ANSWER.pack(identity, int(number), 0, 0))
