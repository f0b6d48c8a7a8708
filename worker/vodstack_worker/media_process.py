"""How any tool that opens a client's file is run: in a session and a sandbox, bounded in time, output and scratch."""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vodstack_worker import confine
from vodstack_worker.errors import RetryError
from vodstack_worker.machine import Usage, usage_of
from vodstack_worker.pipe_ends import open_pipe
from vodstack_worker.process_tree import end_tree, kill_tree, signal_group, start
from vodstack_worker.scratch import used_bytes

_OPEN_FILES = 256
_LINE_BYTES = 64 * 1024
_STDERR_LINES = 20
_LINES_AT_ONCE = 256
_STDOUT_BYTES = 1024 * 1024
_LONGEST_PAUSE_SECONDS = 1.0
_SHORTEST_PAUSE_SECONDS = 0.1
# About as fast as a process can fill memory. A look takes the core from the encoder: none comes before it has to.
_FILL_BYTES_PER_SECOND = 4 * 1024**3
_WALL_TIME = "wall time"
# Output that lies in the pipes when a tool ends is read in no time; whoever else holds them open is not waited for.
_LAST_OUTPUT_SECONDS = 5.0
# An encode takes some threads for each core and rendition. The kernel's own bound is on all of a user's tools.
_MOST_THREADS = 2048
_MOST_PROCESSES = 64
_MOST_TASKS = 4096
# A bound for the moment between two looks. A tool's address space is a multiple of what it holds: arenas, stacks.
_ADDRESS_BYTES = 8 * 1024**3
_ADDRESS_FACTOR = 2
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}


class FileServer(Protocol):
    """Gives a sandboxed tool files by address: it answers at what comes through `control`."""

    @property
    def waited_seconds(self) -> float: ...

    def url(self, name: str) -> str: ...

    async def answer(self, control: socket.socket) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use: `memory_bytes` of resident memory. `scratch_bytes` bounds the whole folder it works in.

    With more than `pause_bytes` in it, the run stands still until somebody has taken some away; 0 for never.
    """

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float
    scratch_bytes: int
    uid: int
    pause_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended. `exceeded` names the limit for which it was stopped; `stderr` is its end, for the log alone."""

    code: int
    stdout: bytes
    stderr: str
    exceeded: str | None = None

    @property
    def killed(self) -> bool:
        return self.code < 0 and self.exceeded is None


async def run_tool(
    program: str,
    arguments: Sequence[str],
    folder: Path,
    limits: Limits,
    on_line: Callable[[str], None] | None = None,
    *,
    relay: FileServer | None = None,
    on_log: Callable[[str], bool] | None = None,
) -> Ending:
    """Run a program in `folder`, whose relative names are all that it gets to see of paths.

    `on_line` gets each line of stdout, `on_log` each of stderr, and says whether it is to be kept.
    What `relay` serves is all that it gets to see of the network. Raises RetryError where waiting took the time.
    """
    command = [sys.executable, "-I", "-S", confine.__file__]
    return await _confined(command, [program, *arguments], folder, limits, on_line=on_line, on_log=on_log, relay=relay)


async def run_module(
    module: str,
    arguments: Sequence[str],
    folder: Path,
    limits: Limits,
    *,
    relay: FileServer | None = None,
    descriptors: Sequence[int] = (),
) -> Ending:
    """Run a module of ours that confines itself, once its imports are done, by the sandbox in its first argument.

    It inherits `descriptors`, under the same numbers. Raises RetryError as `run_tool` does.
    """
    command = [sys.executable, "-I", "-m", module]
    return await _confined(command, arguments, folder, limits, relay=relay, descriptors=descriptors)


async def _confined(
    command: Sequence[str],
    arguments: Sequence[str],
    folder: Path,
    limits: Limits,
    *,
    on_line: Callable[[str], None] | None = None,
    on_log: Callable[[str], bool] | None = None,
    relay: FileServer | None = None,
    descriptors: Sequence[int] = (),
) -> Ending:
    output = _Output(on_line, on_log)
    if relay is None:
        whole = [*command, _sandbox(limits, confine.NO_CONTROL), *arguments]
        return await _run(whole, folder, limits, output, descriptors)
    waited = relay.waited_seconds
    ours, theirs = socket.socketpair()
    with ours, theirs:
        whole = [*command, _sandbox(limits, theirs.fileno()), *arguments]
        run = asyncio.create_task(_run(whole, folder, limits, output, (theirs.fileno(), *descriptors)))
        answers = asyncio.create_task(relay.answer(ours))
        try:
            ending = await run
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            # Ends the wait for what was never sent.
            theirs.close()
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
    waited = relay.waited_seconds - waited
    if ending.exceeded == _WALL_TIME and waited > limits.wall_seconds / 2:
        raise RetryError(f"{waited:.0f} of {limits.wall_seconds:.0f} seconds went by in waiting to read", counted=False)
    return ending


def _sandbox(limits: Limits, control: int) -> str:
    return confine.write_sandbox(
        memory_bytes=limits.memory_bytes,
        address_bytes=_ADDRESS_BYTES + _ADDRESS_FACTOR * limits.memory_bytes,
        cpu_seconds=limits.cpu_seconds,
        file_bytes=limits.scratch_bytes,
        open_files=_OPEN_FILES,
        tasks=_MOST_TASKS,
        uid=limits.uid,
        parent=os.getpid(),
        control=control,
    )


class _Output:
    """What is kept of a tool's output: the beginning of stdout, the end of stderr."""

    def __init__(self, on_line: Callable[[str], None] | None, on_log: Callable[[str], bool] | None) -> None:
        self._on_line = on_line
        self._on_log = on_log
        self.stdout = bytearray()
        self.tail: deque[str] = deque(maxlen=_STDERR_LINES)

    def keep(self, line: bytes) -> None:
        if self._on_line:
            self._on_line(line.decode(errors="replace").strip())
        elif len(self.stdout) < _STDOUT_BYTES:
            self.stdout.extend(line)

    def keep_log(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        if self._on_log is None or self._on_log(text):
            self.tail.append(text[:500])


async def _run(command: list[str], folder: Path, limits: Limits, output: _Output, descriptors: Sequence[int]) -> Ending:
    async with open_pipe(_LINE_BYTES) as (stdout, out), open_pipe(_LINE_BYTES) as (stderr, log):
        try:
            streams = {"stdin": asyncio.subprocess.DEVNULL, "stdout": out, "stderr": log}
            process = await start(command, cwd=folder, env=_ENVIRONMENT, pass_fds=descriptors, **streams)
        finally:
            os.close(out)
            os.close(log)
        readers = [
            asyncio.create_task(_each_line(stdout, output.keep)),
            asyncio.create_task(_each_line(stderr, output.keep_log)),
        ]
        watch = asyncio.create_task(_watch(process, folder, limits))
        try:
            await process.wait()
            exceeded = watch.result() if watch.done() else None
        finally:
            watch.cancel()
            await end_tree(process)
            await asyncio.wait(readers, timeout=_LAST_OUTPUT_SECONDS)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(watch, *readers, return_exceptions=True)
    return Ending(
        code=process.returncode or 0,
        stdout=bytes(output.stdout),
        stderr="".join(output.tail),
        exceeded=exceeded or _limit_of_signal(process.returncode),
    )


async def _each_line(stream: asyncio.StreamReader, keep: Callable[[bytes], None]) -> None:
    """Read to the end whatever comes; of a line beyond the limit only pieces are kept."""
    number = 0
    while not stream.at_eof():
        number += 1
        if number % _LINES_AT_ONCE == 0:
            # What is buffered is read without waiting: a flood of lines would leave the worker's other tasks no turn.
            await asyncio.sleep(0)
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as rest:
            line = rest.partial
        except asyncio.LimitOverrunError as overrun:
            line = await stream.readexactly(overrun.consumed)
        if line:
            keep(line)


async def _watch(process: asyncio.subprocess.Process, folder: Path, limits: Limits) -> str:
    """The name of the limit for which this killed the process."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.wall_seconds
    pause = _SHORTEST_PAUSE_SECONDS
    while True:
        await asyncio.sleep(min(pause, max(0.0, end - loop.time())))
        usage, used = await asyncio.to_thread(_look_at, process.pid, folder, limits)
        exceeded = _limit_of_usage(usage, used, limits) or (_WALL_TIME if loop.time() >= end else "")
        if exceeded:
            kill_tree(process)
            return exceeded
        if limits.pause_bytes:
            signal_group(process, signal.SIGSTOP if used > limits.pause_bytes else signal.SIGCONT)
        else:
            pause = _pause_before_limit(limits.memory_bytes - usage.resident_bytes)


def _limit_of_usage(usage: Usage, used: int, limits: Limits) -> str:
    if usage.resident_bytes > limits.memory_bytes:
        return "memory"
    if used > limits.scratch_bytes:
        return "scratch space"
    return "threads" if usage.threads > _MOST_THREADS or usage.processes > _MOST_PROCESSES else ""


def _pause_before_limit(spare_bytes: int) -> float:
    wanted = spare_bytes / _FILL_BYTES_PER_SECOND
    return min(_LONGEST_PAUSE_SECONDS, max(_SHORTEST_PAUSE_SECONDS, wanted))


def _look_at(process: int, folder: Path, limits: Limits) -> tuple[Usage, int]:
    """What a process and those that it began take, and the bytes in the folder."""
    return usage_of(process), used_bytes(folder, limits.scratch_bytes)


def _limit_of_signal(code: int | None) -> str | None:
    return {-signal.SIGXCPU: "CPU time", -signal.SIGXFSZ: "file size"}.get(code or 0)
