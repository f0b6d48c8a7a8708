"""Runs things in the sandbox as a worker does, for tests that need another kernel or user than their own.

`python sandboxed.py FOLDER attacks|relay|layers|daemons|held` prints what became of it as JSON.
"""

import asyncio
import json
import os
import socket
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from vodstack_worker.errors import InstallationError
from vodstack_worker.media_check import check_media_tools, choose_user
from vodstack_worker.media_process import Ending, Limits, run_tool
from vodstack_worker.process_tree import adopt_orphans, hide_from_others
from vodstack_worker.relay import Relay
from vodstack_worker.scratch import Scratch

GIB = 1024**3
PYTHON = "/usr/bin/python3"
ATTACKS = Path(__file__).parent / "attacks.py"
# A child that keeps the pipes, one in a session of its own, one that has lost its parent, and one that forks on.
DAEMONS = """
sleep 600 &
setsid sleep 600 &
(setsid sh -c 'sleep 600 & sleep 600' &)
echo begun
"""
ENDS = {"success": "exit 0", "failure": "exit 7", "wall time": "exec sleep 600", "cancel": "exec sleep 600"}


# A thread that asks for sockets and hardly ever runs, beside many that leave no core idle: an answer waits for it.
HOLDING = """
import hashlib, os, socket, threading
def burn():
    while True:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10_000_000)
def ask():
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    while True:
        socket.socket().close()
threading.stack_size(256 * 1024)
for _ in range(3):
    threading.Thread(target=ask).start()
for _ in range(1000):
    threading.Thread(target=burn).start()
"""


class Worker:
    """A scratch, what media tools may use, and secrets that none of them is to reach."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.uid = choose_user(65_534)
        self.scratch = Scratch(folder / "scratch", jobs=1, job_bytes=2 * GIB, uid=self.uid)
        self.limits = Limits(memory_bytes=2 * GIB, cpu_seconds=60, wall_seconds=60, scratch_bytes=2 * GIB, uid=self.uid)

    async def attack(self, *, relay: Relay | None) -> dict[str, Any]:
        """What a tool achieved that tried everything, and who was called by it."""
        token = self._folder / "token"
        token.write_text("a secret")
        name, path = f"canary-{os.getpid()}", self._folder / "socket"
        with ExitStack() as stack:
            job, other = (stack.enter_context(self.scratch.job()) for _ in range(2))
            (job / "source").write_text("own")
            (other / "source").write_text("another")
            made = [
                socket.socket(family) for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_UNIX)
            ]
            listeners = [stack.enter_context(each) for each in made]
            listeners[0].bind(("127.0.0.1", 0))
            port = listeners[0].getsockname()[1]
            with suppress(OSError):
                listeners[1].bind(("::1", port))
            listeners[2].bind(str(path))
            listeners[3].bind(f"\0{name}")
            for each in listeners:
                each.listen()
                each.settimeout(0)
            targets = {
                "worker": os.getpid(),
                "job": str(other),
                "port": port,
                "path": str(path),
                "name": name,
                "secrets": [str(token), __file__],
            }
            arguments = ["-I", "-S", "-c", ATTACKS.read_text(), json.dumps(targets)]
            ending = await run_tool(PYTHON, arguments, job, self.limits, relay=relay)
            intact = (other / "source").read_text() == "another" and (job / "source").read_text() == "own"
            return {
                "code": ending.code,
                "exceeded": ending.exceeded,
                "stderr": ending.stderr,
                "outcomes": dict(item for line in ending.stdout.splitlines() for item in json.loads(line).items()),
                "called": [number for number, each in enumerate(listeners) if _was_called(each)],
                "intact": intact,
            }

    async def layers(self) -> dict[str, Any]:
        """Which layers stand, and what a worker says that needs them all."""
        stand = await check_media_tools(self.scratch, self.limits, require=False)
        try:
            await check_media_tools(self.scratch, self.limits, require=True)
        except InstallationError as error:
            return {"layers": sorted(stand), "said": str(error)}
        return {"layers": sorted(stand), "said": ""}

    async def held(self) -> dict[str, Any]:
        """The longest time for which nothing else was done, beside a tool that makes its answers wait."""
        longest = 0.0

        async def look() -> None:
            nonlocal longest
            while True:
                began = time.monotonic()
                await asyncio.sleep(0.01)
                longest = max(longest, time.monotonic() - began)

        looking = asyncio.create_task(look())
        limits = replace(self.limits, wall_seconds=4.0)
        with self.scratch.job() as job:
            ending = await run_tool(
                PYTHON, ["-I", "-S", "-c", HOLDING], job, limits, relay=Relay({"source": b"served"})
            )
        looking.cancel()
        return {"longest": longest, "exceeded": ending.exceeded, "stderr": ending.stderr}

    async def daemons(self) -> dict[str, Any]:
        """How long each kind of end took, and how many processes were left after it."""
        found: dict[str, Any] = {}
        for end, last in ENDS.items():
            with self.scratch.job() as job:
                began = time.monotonic()
                ending = await self._end(end, DAEMONS + last, job)
                seconds = time.monotonic() - began
                code = ending.code if ending else None
                found[end] = {"seconds": seconds, "left": len(psutil.Process().children(recursive=True)), "code": code}
        return found

    async def _end(self, end: str, script: str, job: Path) -> Ending | None:
        limits = replace(self.limits, wall_seconds=1.0) if end == "wall time" else self.limits
        begun = asyncio.Event()
        run = asyncio.create_task(run_tool("/bin/sh", ["-c", script], job, limits, on_line=lambda _: begun.set()))
        if end != "cancel":
            return await run
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait({run, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        return None


def _was_called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except OSError:
        return False
    return True


async def main(folder: Path, what: str) -> dict[str, Any]:
    worker = Worker(folder)
    match what:
        case "attacks":
            return await worker.attack(relay=None)
        case "relay":
            return await worker.attack(relay=Relay({"source": b"served"}))
        case "held":
            return await worker.held()
        case "layers":
            return await worker.layers()
        case _:
            return await worker.daemons()


if __name__ == "__main__":
    os.umask(0o022)
    hide_from_others()
    adopt_orphans()
    sys.stdout.write(json.dumps(asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))))
