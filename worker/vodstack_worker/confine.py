"""Puts a media tool into its cage: limits, no privileges, no network where the kernel allows, death with its parent.

It is run by path before every tool, and ends as the tool itself: so it imports little, for that is most of its time.
"""

import ctypes
import os
import resource
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
CANNOT_RUN = 126
_CPU_GRACE_SECONDS = 5
_WATCH_SECONDS = 0.5
_MOST_DESCRIPTORS = 1024
_ELF = b"\x7fELF"
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
# Stands in arguments for the port at which the worker serves what the tool may read.
PORT = "{port}"
NO_DOOR = -1


def write_cage(
    *,
    memory_bytes: int,
    address_bytes: int,
    cpu_seconds: int,
    file_bytes: int,
    open_files: int,
    uid: int,
    parent: int,
    door: int,
) -> str:
    """What a media tool may use, as an argument. The worker itself watches `memory_bytes`, of what is resident."""
    return ",".join(f"{name}={value}" for name, value in locals().items())


def read_cage(text: str) -> dict[str, int]:
    """What `write_cage` was called with."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name: int(value) for name, _, value in pairs}


def confine(cage: dict[str, int]) -> int:
    """Confine this process, for good. Gives the port at which the worker answers it, 0 if it does not."""
    libc = ctypes.CDLL(None, use_errno=True)
    _leave_network(libc)
    port = 0 if cage["door"] == NO_DOOR else _open_door(cage["door"])
    # Should memory run out between two looks of the worker, this process is to go, not the worker.
    _write_if_allowed("/proc/self/oom_score_adj", "1000")
    if os.getuid() == 0 and cage["uid"] != 0:
        become(cage["uid"])
    # A change of user clears the death signal, so it is set after it.
    _die_with(cage["parent"], libc)
    call(libc, "prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != cage["parent"]:
        raise SystemExit("the worker is gone")
    limits = {
        resource.RLIMIT_AS: cage["address_bytes"],
        resource.RLIMIT_CPU: cage["cpu_seconds"],
        resource.RLIMIT_FSIZE: cage["file_bytes"],
        resource.RLIMIT_NOFILE: cage["open_files"],
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        _, ceiling = resource.getrlimit(kind)
        value = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
        # The soft limit on CPU time tells by its signal what happened, the hard one does not.
        grace = _CPU_GRACE_SECONDS if kind == resource.RLIMIT_CPU and ceiling == resource.RLIM_INFINITY else 0
        try:
            resource.setrlimit(kind, (value, value + grace))
        except (OSError, ValueError):
            # macOS maps more than any bound before a program begins; the worker itself watches what is resident.
            if kind != resource.RLIMIT_AS:
                raise
    return port


def become(uid: int) -> None:
    """Change to a user without groups. Raises OSError where this process may not."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def call(libc: ctypes.CDLL, name: str, *arguments: int) -> int:
    """Call a function of the C library that only Linux has, and give -1 where it is absent or refused."""
    function = getattr(libc, name, None)
    return -1 if function is None else int(function(*arguments))


def _die_with(parent: int, libc: ctypes.CDLL) -> None:
    """Have this process killed when its parent dies: by the kernel, or else by a child that watches the parent."""
    if call(libc, "prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0) == 0:
        return
    tool = os.getpid()
    if os.fork() != 0:
        return
    # Open pipes would keep the worker waiting for output that is over.
    os.closerange(0, _MOST_DESCRIPTORS)
    while os.getppid() == tool:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os.kill(tool, _SIGKILL)
        except PermissionError:
            pass  # it lives, as another user
        time.sleep(_WATCH_SECONDS)
    os._exit(0)


def _leave_network(libc: ctypes.CDLL) -> None:
    """A network namespace of its own has no way out. Where containers forbid it, network policy has to do."""
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        call(libc, "unshare", _CLONE_NEWNET)
    elif call(libc, "unshare", _CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        _write_if_allowed("/proc/self/setgroups", "deny")
        _write_if_allowed("/proc/self/uid_map", f"{uid} {uid} 1")
        _write_if_allowed("/proc/self/gid_map", f"{gid} {gid} 1")


def _write_if_allowed(path: str, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(descriptor, text.encode())
    except OSError:
        return
    finally:
        os.close(descriptor)


def _open_door(control: int) -> int:
    """A listening socket in this process's own network, handed to the worker through `control`.

    Where it was made is where it stays: the worker answers on it from outside, and nothing else is to be reached.
    """
    import contextlib  # noqa: PLC0415 - not every tool needs a door
    import fcntl  # noqa: PLC0415
    import socket  # noqa: PLC0415
    import struct  # noqa: PLC0415

    with socket.socket(fileno=control) as worker, socket.socket() as door:
        with contextlib.suppress(OSError):
            # A new network begins with its loopback down; in the worker's own, this may not be done and need not.
            fcntl.ioctl(door, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _IFF_UP))
        door.bind(("127.0.0.1", 0))
        door.listen()
        socket.send_fds(worker, [b"door"], [door.fileno()])
        return door.getsockname()[1]


def main() -> None:
    """`confine.py CAGE PROGRAM ARGUMENT...`: become the program, confined."""
    cage, program = sys.argv[1:3]
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    try:
        # Opened now and executed by its descriptor: the unprivileged user may not be able to walk its path.
        descriptor = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
        binary = os.pread(descriptor, len(_ELF), 0) == _ELF
        port = confine(read_cage(cage))
        arguments = [argument.replace(PORT, str(port)) for argument in sys.argv[2:]]
        by_descriptor = binary and os.execve in os.supports_fd
        os.execve(descriptor if by_descriptor else program, arguments, environment)  # noqa: S606 - no shell wanted
    except OSError as error:
        sys.stderr.write(f"{program} cannot be run: {error}\n")
        raise SystemExit(CANNOT_RUN) from error


if __name__ == "__main__":
    main()
