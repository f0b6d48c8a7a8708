"""Ends all that media tools began: their children, those that left their group, and those whose parent is gone.

Where the sandbox refuses new processes there is nothing but the tool itself to be ended.
"""

import asyncio
import ctypes
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psutil

from vodstack_worker.confine import call

_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 4, 36, 37
_ROUNDS = 20
_PAUSE_SECONDS = 0.01
# Tools that run, and how many are being started: everything else below an adopting worker has lost its tool.
_leaders: set[int] = set()
_starting = [0]


def adopt_orphans() -> None:
    """Become the parent of processes below this one that lose theirs, so that none escapes by that. Linux only."""
    call(ctypes.CDLL(None), "prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hide_from_others() -> None:
    """Let no process of the same user read this one's memory, environment or open files. Linux only."""
    call(ctypes.CDLL(None), "prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


async def start(command: Sequence[str], **how: Any) -> asyncio.subprocess.Process:
    """Start a tool in a session of its own. `end_tree` is to follow."""
    _starting[0] += 1
    try:
        process = await asyncio.create_subprocess_exec(*command, start_new_session=True, **how)
        _leaders.add(process.pid)
    finally:
        _starting[0] -= 1
    return process


async def end_tree(process: asyncio.subprocess.Process) -> None:
    """Kill a tool and all that it began, and wait until it is gone."""
    kill_tree(process)
    await process.wait()
    # Its children may have gone on in its group, which is not given to anybody else as long as it has members.
    signal_group(process, signal.SIGKILL)
    _leaders.discard(process.pid)
    await _end_orphans()


def kill_tree(process: asyncio.subprocess.Process) -> None:
    """Kill a tool's group, and those of its children that left it."""
    members = _below(process.pid)
    signal_group(process, signal.SIGKILL)
    _kill(members)


def signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal to all that is left of a tool's group."""
    # macOS answers EPERM for a group whose members are all zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _end_orphans() -> None:
    if not _adopts():
        return
    for _ in range(_ROUNDS):
        while _starting[0]:  # noqa: ASYNC110 - a matter of milliseconds
            await asyncio.sleep(_PAUSE_SECONDS)
        orphans = [each for each in psutil.Process().children() if each.pid not in _leaders]
        if not orphans:
            return
        for orphan in orphans:
            _kill([*_below(orphan.pid), orphan])
            with suppress(ChildProcessError):
                os.waitpid(orphan.pid, os.WNOHANG)  # noqa: ASYNC222 - it waits for nothing
        await asyncio.sleep(_PAUSE_SECONDS)


def _adopts() -> bool:
    adopting = ctypes.c_int()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(adopting), 0, 0, 0)
    return adopting.value == 1


def _below(process: int) -> list[psutil.Process]:
    try:
        return psutil.Process(process).children(recursive=True)
    except psutil.Error:
        return []


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
