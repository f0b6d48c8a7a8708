"""A service as a process whose memory is watched by the kernel's own books (/proc, so Linux alone)."""

import contextlib
import http.client
import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
START_SECONDS = 60
LISTENING = "0A"  # as /proc/net writes the state


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Observed:
    """One running process."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def port(self, pattern: str) -> int:
        """The port that the log tells of."""
        late = threading.Event()
        timer = threading.Timer(START_SECONDS, late.set)
        timer.start()
        try:
            while self.process.poll() is None and not late.wait(0.05):
                if found := re.search(pattern, self.log.read_text()):
                    return int(found[1])
        finally:
            timer.cancel()
        raise RuntimeError(f"the service did not start:\n{self.log.read_text()}")


@contextmanager
def run_service(
    module: str, environment: dict[str, str], folder: Path, *arguments: str, name: str = ""
) -> Generator[Observed]:
    log = folder / f"{name or module}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        yield Observed(process, log)
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def resident_bytes(pid: int, field: str = "VmRSS") -> int:
    """The process's resident memory, or with `VmHWM` its peak; 0 where the process is gone."""
    with contextlib.suppress(OSError):
        if found := re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):
            return int(found[1]) * 1024
    return 0


def processor_seconds(pid: int) -> float:
    """The CPU time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listener(port: int) -> int | None:
    """The process that listens on the port, where it is one that we may look at."""
    sockets: set[str] = set()
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(opened.readlink()) in sockets for opened in (entry / "fd").iterdir()):
                return int(entry.name)
    return None


def forget_peak(pid: int) -> None:
    """Let the peak begin anew at what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`, with its program's name."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            name, _, rest = (entry / "stat").read_text().partition(" (")[2].rpartition(") ")
            parents[int(entry.name)] = (int(rest.split()[1]), name)
    below: dict[int, str] = {}
    grown = True
    while grown:
        found = {
            child: name
            for child, (parent, name) in parents.items()
            if child not in below and (parent == pid or parent in below)
        }
        below |= found
        grown = bool(found)
    return below


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
