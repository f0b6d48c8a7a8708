"""The process that tells, from within the sandbox of media tools, which of its layers stand: it tries each of them.

`python -I -m vodstack_worker.sandbox_report SANDBOX WORKER_USER WORKER_NETWORK OTHER_FOLDER` prints them as JSON.
"""

import ctypes
import json
import os
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from vodstack_worker.confine import call, confine, read_sandbox

_PR_GET_PDEATHSIG = 2
_PR_GET_NO_NEW_PRIVS = 39
_SO_DOMAIN = 39
# A file of another job that any user may read, as far as users go.
READABLE_FILE = "readable"
_NETWORK = Path("/proc/self/ns/net")
# UNIX, IPv4, IPv6, netlink, packet, vsock: numbers, for not every Python names them. Of IPv4, the worker gives streams.
_UNIX = 1
_FAMILIES = (_UNIX, 2, 10, 16, 17, 40)
_KINDS = (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET)


class Layer(StrEnum):
    """What stands between a media tool that was taken over and everything else."""

    OWN_USER = "own_user"
    OWN_NETWORK = "own_network"
    FILES = "files"
    SOCKETS = "sockets"
    RELAY = "relay"
    SYSTEM_CALLS = "system_calls"
    PROCESSES = "processes"
    SIGNALS = "signals"
    WORKER_MEMORY = "worker_memory"
    NO_NEW_PRIVILEGES = "no_new_privileges"
    DEATH_WITH_WORKER = "death_with_worker"
    BOUNDED_MEMORY = "bounded_memory"


def find_layers(worker_user: int, worker_network: str, other_folder: Path) -> list[Layer]:
    """Return the layers that stand around this process, which is the worker's child, by trying to get past each."""
    libc, worker = ctypes.CDLL(None), os.getppid()
    secrets = [Path(f"/proc/{worker}/{name}") for name in ("environ", "maps")]
    stands = {
        Layer.OWN_USER: os.getuid() != worker_user,
        Layer.OWN_NETWORK: bool(worker_network) and own_network() not in {"", worker_network},
        Layer.FILES: not _reaches_files(other_folder),
        Layer.SOCKETS: not _opens_sockets(),
        Layer.RELAY: _is_given_a_socket(),
        Layer.SYSTEM_CALLS: _is_kept_from_calls(libc),
        Layer.PROCESSES: not _begins_processes(),
        Layer.SIGNALS: not _succeeds(lambda: os.kill(worker, 0)),
        Layer.WORKER_MEMORY: not any(_succeeds(path.read_text) for path in secrets),
        Layer.NO_NEW_PRIVILEGES: call(libc, "prctl", _PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
        Layer.DEATH_WITH_WORKER: _death_signal(libc) != 0,
        Layer.BOUNDED_MEMORY: resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY,
    }
    return [layer for layer, standing in stands.items() if standing]


def own_network() -> str:
    """Return the name of this process's network namespace, empty where there is none."""
    try:
        return str(_NETWORK.readlink())
    except OSError:
        return ""


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _reaches_files(folder: Path) -> bool:
    """Whether a file of `folder` can be read, or one be made there, or next to this job's own."""
    attempts = (
        (folder / READABLE_FILE).read_bytes,
        lambda: (folder / "made").write_bytes(b""),
        lambda: Path("made").write_bytes(b""),
    )
    return any(_succeeds(attempt) for attempt in attempts)


def _opens_sockets() -> bool:
    return any(_succeeds(lambda: socket.socket(family, kind).close()) for family in _FAMILIES for kind in _KINDS)  # noqa: B023 - called at once


def _is_given_a_socket() -> bool:
    """Whether a TCP socket is one of the worker's making, and not of the internet."""
    with suppress(OSError), socket.socket() as given:
        return given.getsockopt(socket.SOL_SOCKET, _SO_DOMAIN) == _UNIX
    return False


def _is_kept_from_calls(libc: ctypes.CDLL) -> bool:
    """Both change nothing where they are allowed."""
    return call(libc, "unshare", 0) != 0 and call(libc, "process_vm_readv", os.getpid(), 0, 0, 0, 0, 0) != 0


def _begins_processes() -> bool:
    try:
        child = os.fork()
    except OSError:
        return False
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def _death_signal(libc: ctypes.CDLL) -> int:
    signal = ctypes.c_int()
    prctl = getattr(libc, "prctl", None)
    if prctl is not None:
        prctl(_PR_GET_PDEATHSIG, ctypes.byref(signal), 0, 0, 0)
    return signal.value


def main() -> None:
    """Confine this process, and print what stands."""
    sandbox, worker_user, worker_network, other_folder = sys.argv[1:]
    confine(read_sandbox(sandbox))
    sys.stdout.write(json.dumps(find_layers(int(worker_user), worker_network, Path(other_folder))))


if __name__ == "__main__":
    main()
