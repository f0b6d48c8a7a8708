"""No media tool calls anybody or reads a file that is not its own: watched from outside, not assumed."""

import asyncio
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.worker.hostile_bytes import Canary, hls_behind_an_avi_header, hls_behind_an_index, listening_canary

from vodstack_worker.errors import GiveUpError
from vodstack_worker.media_process import Limits, run_tool
from vodstack_worker.relay import Relay
from vodstack_worker.scratch import Scratch

PYTHON = "/usr/bin/python3"
PR_SET_PTRACER = 0x59616D61
ANYBODY = ctypes.c_ulong(-1)
START_SECONDS = 30
LOOPBACK = "127.0.0.1"
CALLS = "execve,execveat,connect,sendto,sendmsg,sendmmsg,open,openat"
CALL = """
import os, socket, sys
print(os.readlink("/proc/self/ns/net"))
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
except OSError as error:
    print(error.strerror)
"""
FETCH = """
import sys, urllib.request
for address in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(address, timeout=5).read().decode())
    except OSError as error:
        print(error)
"""


class Trace:
    """The system calls of this process's children while it was watched."""

    def __init__(self, path: Path) -> None:
        ours = {int(folder.name) for folder in Path("/proc/self/task").iterdir()}
        lines = (line.split(maxsplit=1) for line in path.read_text().splitlines())
        self.calls = [call for pid, call in lines if int(pid) not in ours]

    def programs(self) -> list[str]:
        """What was started; confined programs are, by a descriptor, nameless."""
        return [call for call in self.calls if call.startswith("execve") and call.rstrip().endswith("= 0")]

    def called(self) -> set[tuple[str, int]]:
        """Every address on a network that was spoken to, or tried."""
        text = "\n".join(call for call in self.calls if call.startswith(("connect(", "send")))
        address = r'sin6?_port=htons\((\d+)\).*?inet_(?:addr|pton)\((?:AF_INET6, )?"([^"]+)"'
        return {(host, int(port)) for port, host in re.findall(address, text)}

    def opened(self, path: Path) -> bool:
        return any(str(path) in call for call in self.calls if call.startswith("open"))


@contextmanager
def watched(path: Path) -> Generator[None]:
    """Follow whatever this process starts. Skips where the machine cannot."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed, so calls cannot be watched here")
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
    command = [strace, "-f", "-p", str(os.getpid()), "-e", f"trace={CALLS}", "-s", "256", "-o", path]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watcher:
        assert watcher.stderr
        said = watcher.stderr.readline()
        if "attached" not in said:
            watcher.wait(START_SECONDS)
            pytest.skip(f"processes cannot be watched here: {said.strip()}")
        try:
            yield
        finally:
            watcher.send_signal(signal.SIGINT)
            watcher.communicate(timeout=START_SECONDS)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    with listening_canary(tmp_path) as listening:
        yield listening


@pytest.mark.parametrize("make", [hls_behind_an_index, hls_behind_an_avi_header], ids=lambda make: make.__name__)
def test_a_playlist_in_disguise_makes_no_tool_call_or_read(
    make: Callable[[Canary], bytes], canary: Canary, tmp_path: Path, transcode: Any
):
    path = tmp_path / "file.mp4"
    path.write_bytes(make(canary))
    with watched(tmp_path / "trace"), pytest.raises(GiveUpError):
        transcode(path)
    trace = Trace(tmp_path / "trace")
    assert trace.programs()
    assert trace.called() == set()
    assert not trace.opened(canary.secret)


def test_a_good_video_makes_no_tool_call_anybody(tiny_clip: Path, tmp_path: Path, transcode: Any, canary: Canary):
    with watched(tmp_path / "trace"):
        transcode(tiny_clip)
    trace = Trace(tmp_path / "trace")
    assert len(trace.programs()) > 1
    assert trace.called() == set()
    assert not trace.opened(canary.secret)


def test_a_call_is_seen_by_whoever_watches(canary: Canary, tmp_path: Path):
    """Without this, a watch that sees nothing would pass for a tool that does nothing."""
    read = f"open({str(canary.secret)!r}).read()"
    call = f"import socket; socket.socket().connect_ex(('127.0.0.1', 9)); {read}"
    with watched(tmp_path / "trace"):
        subprocess.run([sys.executable, "-I", "-S", "-c", call], check=True)
    trace = Trace(tmp_path / "trace")
    assert (LOOPBACK, 9) in trace.called()
    assert trace.opened(canary.secret)


def require_own_network() -> None:
    if not Path(PYTHON).exists():
        pytest.skip("there is no Python that any user may run")
    own = ["--net"] if os.getuid() == 0 else ["--user", "--net"]
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, *own, "true"], check=False, capture_output=True).returncode:
        pytest.skip("the kernel here gives a process no network of its own")


def test_a_tool_that_reads_by_the_relay_calls_nobody_else(
    ffmpeg: str, tiny_clip: Path, canary: Canary, tmp_path: Path, *, scratch: Scratch, limits: Limits
):
    relay = Relay({"clip": tiny_clip.read_bytes()})
    arguments = ["-nostdin", "-v", "error", "-i", relay.url("clip"), "-f", "null", "-"]
    with watched(tmp_path / "trace"), scratch.job() as folder:
        ending = asyncio.run(run_tool(ffmpeg, arguments, folder, limits, relay=relay))
    assert (ending.code, ending.stderr) == (0, "")
    ((host, port),) = Trace(tmp_path / "trace").called()
    assert host == LOOPBACK
    assert port != canary.port


def test_a_tool_with_a_relay_reaches_what_it_serves_alone(canary: Canary, scratch: Scratch, limits: Limits):
    require_own_network()
    relay = Relay({"served": b"what is served"})
    addresses = [relay.url("served"), relay.url("other"), f"http://{LOOPBACK}:{canary.port}/"]
    with scratch.job() as folder:
        ending = asyncio.run(run_tool(PYTHON, ["-I", "-c", FETCH, *addresses], folder, limits, relay=relay))
    served, other, elsewhere = ending.stdout.decode().splitlines()
    assert served == "what is served"
    assert "404" in other
    assert "404" in elsewhere
    assert canary.calls == []


def test_a_tool_that_calls_reaches_nobody(canary: Canary, scratch: Scratch, limits: Limits):
    require_own_network()
    with scratch.job() as folder:
        ending = asyncio.run(run_tool(PYTHON, ["-I", "-S", "-c", CALL, str(canary.port)], folder, limits))
    network, *said = ending.stdout.decode().splitlines()
    assert network != str(Path("/proc/self/ns/net").readlink())
    assert said != []
    assert canary.calls == []
