"""The process that tells, from within the sandbox of media tools, which of its walls stand.

`python -I -m vodstack_worker.sandbox_report SANDBOX WORKER_USER WORKER_NETWORK` prints their names as JSON.
"""

import ctypes
import json
import os
import resource
import sys
from enum import StrEnum
from pathlib import Path

from vodstack_worker.confine import call, confine, read_cage

_PR_GET_PDEATHSIG = 2
_PR_GET_NO_NEW_PRIVS = 39
_NETWORK = Path("/proc/self/ns/net")


class Wall(StrEnum):
    """What stands between a media tool that was taken over and everything else."""

    USER = "a user of its own"
    NETWORK = "a network of its own"
    PRIVILEGES = "no new privileges"
    PARENT = "death with the worker"
    MEMORY = "a bound on memory"


def find_walls(worker_user: int, worker_network: str) -> list[Wall]:
    """Return the walls that stand around this process."""
    libc = ctypes.CDLL(None)
    signal = ctypes.c_int()
    prctl = getattr(libc, "prctl", None)
    if prctl is not None:
        prctl(_PR_GET_PDEATHSIG, ctypes.byref(signal), 0, 0, 0)
    stands = {
        Wall.USER: os.getuid() != worker_user,
        Wall.NETWORK: bool(worker_network) and own_network() not in {"", worker_network},
        Wall.PRIVILEGES: call(libc, "prctl", _PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
        Wall.PARENT: signal.value != 0,
        Wall.MEMORY: resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY,
    }
    return [wall for wall, standing in stands.items() if standing]


def own_network() -> str:
    """Return the name of this process's network namespace, empty where there is none."""
    try:
        return str(_NETWORK.readlink())
    except OSError:
        return ""


def main() -> None:
    """Confine this process, and print what stands."""
    cage, worker_user, worker_network = sys.argv[1:]
    confine(read_cage(cage))
    sys.stdout.write(json.dumps(find_walls(int(worker_user), worker_network)))


if __name__ == "__main__":
    main()
