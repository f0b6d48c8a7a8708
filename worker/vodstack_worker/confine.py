"""Puts a media tool into its sandbox: no privileges, files, processes or sockets but its own, death with its parent.

It is run by path before every tool, and ends as the tool itself: so it imports little, for that is most of its time.
docs/adr/0083-a-sandbox-without-namespaces.md
"""

import _thread
import ctypes
import os
import resource
import struct
import sys
import time

if __name__ == "__main__":
    # Run by path, without any installed packages: the other parts of the sandbox lie beside this one.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - imports time

from vodstack_worker import landlock, seccomp

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_CAPABILITIES_VERSION = 0x20080522
_MOST_CAPABILITIES = 64
_SIGKILL = 9
CANNOT_RUN = 126
_CPU_GRACE_SECONDS = 5
_WATCH_SECONDS = 0.5
_MOST_DESCRIPTORS = 1024
_MOST_TASKS = 65_536
_ELF = b"\x7fELF"
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
# Stands in arguments for the port at which the worker serves what the tool may read.
PORT = "{port}"
NO_CONTROL = -1
# Where the worker makes the sockets, no port is ever spoken to.
_ANY_PORT = 80
# What the control socket brings the worker: the calls that it is to answer, or a socket that listens.
CALLS, LISTENER = b"calls", b"listener"
# The one folder of a job in which its tools write.
WRITABLE = "out"
_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/nix/store", "/gnu/store")
_READABLE = ("/etc/ld.so.cache", "/sys/devices/system/cpu", "/proc/cpuinfo")
# Not /dev/zero: mapped, it is memory that the worker's count would miss.
_DEVICES = ("/dev/null", "/dev/random", "/dev/urandom")


def write_sandbox(
    *,
    memory_bytes: int,
    address_bytes: int,
    cpu_seconds: int,
    file_bytes: int,
    open_files: int,
    tasks: int,
    uid: int,
    parent: int,
    control: int,
) -> str:
    """What a media tool may use, as an argument. The worker itself watches `memory_bytes`, of what is resident.

    `tasks` bounds the processes and threads of its user. `control` is the socket for what the worker is to answer.
    """
    return ",".join(f"{name}={value}" for name, value in locals().items())


def read_sandbox(text: str) -> dict[str, int]:
    """What `write_sandbox` was called with."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name: int(value) for name, _, value in pairs}


def confine(sandbox: dict[str, int], program: list[landlock.Rule] | None = None) -> int:
    """Confine this process, for good. Gives the port at which the worker answers it, 0 if it does not.

    `program` are the files of what is executed next; without any, this process goes on, and may read its own.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _leave_network(libc)
    call(libc, "prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    port = listening = 0
    if sandbox["control"] != NO_CONTROL:
        # It imports what another user may not be able to read.
        port, listening = _open_control(sandbox["control"], libc)
    # Should memory run out between two looks of the worker, this process is to go, not the worker.
    _write_if_allowed("/proc/self/oom_score_adj", "1000")
    if os.getuid() == 0 and sandbox["uid"] != 0:
        become(sandbox["uid"])
    # A change of user clears the death signal, so it is set after it.
    _die_with(sandbox["parent"], libc)
    if os.getppid() != sandbox["parent"]:
        raise SystemExit("the worker is gone")
    _drop_capabilities(libc)
    _limit(sandbox)
    if sys.platform == "linux":
        own: list[landlock.Rule] = [(sys.prefix, landlock.READ), (sys.base_prefix, landlock.READ)]
        landlock.restrict(libc, _rules(own if program is None else program), listening)
        seccomp.refuse(libc, connects=bool(port))
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


def _rules(program: list[landlock.Rule]) -> list[landlock.Rule]:
    """The job's folder is read, and one folder in it written. Nothing of any other job or of the worker is named."""
    return [
        *program,
        # By their relative names: the user may not be able to walk the whole path.
        (".", landlock.READ),
        (WRITABLE, landlock.WRITE),
        *((path, landlock.RUN) for path in _PROGRAMS),
        *((path, landlock.READ) for path in _READABLE),
        *((path, landlock.DEVICE) for path in _DEVICES),
    ]


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Root that may not become another user has some, and so has whoever made a namespace."""
    if getattr(libc, "capset", None) is None:
        return
    for number in range(_MOST_CAPABILITIES):
        call(libc, "prctl", _PR_CAPBSET_DROP, number, 0, 0, 0)
    call(libc, "prctl", _PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    libc.capset(struct.pack("Ii", _CAPABILITIES_VERSION, 0), bytes(24))


def _limit(sandbox: dict[str, int]) -> None:
    limits = {
        resource.RLIMIT_AS: sandbox["address_bytes"],
        resource.RLIMIT_CPU: sandbox["cpu_seconds"],
        resource.RLIMIT_FSIZE: sandbox["file_bytes"],
        resource.RLIMIT_NOFILE: sandbox["open_files"],
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
    _limit_tasks(sandbox["tasks"])


def _limit_tasks(wanted: int) -> None:
    """Bound processes and threads. The kernel counts all of a user's, in whatever pod of a node they are.

    So the bound is doubled until one more of them is allowed: a bound that others have used up would forbid the first.
    """
    ceiling = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    ceiling = _MOST_TASKS if ceiling == resource.RLIM_INFINITY else min(ceiling, _MOST_TASKS)
    most = min(wanted, ceiling)
    while most <= ceiling:
        resource.setrlimit(resource.RLIMIT_NPROC, (most, ceiling))
        try:
            _thread.start_new_thread(int, ())
        except RuntimeError:
            most = most * 2 if most == ceiling else min(most * 2, ceiling)
        else:
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
            return


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
    """A network namespace of its own has no way out. Containers forbid it for the most part."""
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


def _open_control(control: int, libc: ctypes.CDLL) -> tuple[int, int]:
    """The port to speak to, and the same again where a real socket listens there; 0 where the worker makes the sockets.

    What the worker answers at is handed to it through `control`.
    """
    import socket  # noqa: PLC0415 - not every tool reads from the worker

    with socket.socket(fileno=control) as worker:
        calls = seccomp.hand_over_calls(libc) if sys.platform == "linux" else -1
        if calls >= 0:
            socket.send_fds(worker, [CALLS], [calls])
            os.close(calls)
            return _ANY_PORT, 0
        with socket.socket() as listener:
            _raise_loopback(listener.fileno())
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            socket.send_fds(worker, [LISTENER], [listener.fileno()])
            port = int(listener.getsockname()[1])
        return port, port


def _raise_loopback(descriptor: int) -> None:
    """A new network begins with its loopback down; in the worker's own, this may not be done and need not."""
    import contextlib  # noqa: PLC0415
    import fcntl  # noqa: PLC0415

    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _IFF_UP))


def _files_of(program: str, descriptor: int) -> list[landlock.Rule]:
    """A program's own file, and the libraries beside it where it lies in a `bin`."""
    folder = os.path.dirname(os.path.realpath(program))  # noqa: PTH120 - pathlib would be imported before every tool
    rules: list[landlock.Rule] = [(descriptor, landlock.RUN)]
    if os.path.basename(folder) == "bin":  # noqa: PTH119
        rules.append((f"{os.path.dirname(folder)}/lib", landlock.RUN))  # noqa: PTH120
    return rules


def main() -> None:
    """`confine.py SANDBOX PROGRAM ARGUMENT...`: become the program, confined."""
    sandbox, program = sys.argv[1:3]
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    try:
        # Opened now and executed by its descriptor: the unprivileged user may not be able to walk its path.
        descriptor = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
        binary = os.pread(descriptor, len(_ELF), 0) == _ELF
        port = confine(read_sandbox(sandbox), _files_of(program, descriptor))
        arguments = [argument.replace(PORT, str(port)) for argument in sys.argv[2:]]
        by_descriptor = binary and os.execve in os.supports_fd
        os.execve(descriptor if by_descriptor else program, arguments, environment)  # noqa: S606 - no shell wanted
    except OSError as error:
        sys.stderr.write(f"{program} cannot be run: {error}\n")
        raise SystemExit(CANNOT_RUN) from error


if __name__ == "__main__":
    main()
