"""What this machine, or the container, gives: cores and memory; and what processes hold of it.

docs/adr/0019-memory-is-counted-where-it-counts.md
"""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from vodstack_contracts.memory import media_bytes

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def share_of_memory(jobs: int) -> int:
    """What one job's tools may take of this machine, or of the container that the worker runs in."""
    total = psutil.virtual_memory().total
    limit = min(_group_limits(), default=total)
    # Where nobody set a limit, others live on the machine as well.
    return media_bytes(limit if limit < total else total // 2, jobs)


def _group_limits() -> Iterator[int]:
    """The limits of this process's control groups, of version 1 or 2, from its own up to the root."""
    # Only Linux has control groups.
    for line in _OWN_GROUPS.read_text().splitlines() if _OWN_GROUPS.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers not in {"", "memory"}:
            continue
        root, name = (_GROUPS / "memory", "memory.limit_in_bytes") if controllers else (_GROUPS, "memory.max")
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):
                yield int((folder / name).read_text())
            if folder == root:
                break


@dataclass(frozen=True)
class Usage:
    """What a process and those that it began take together."""

    resident_bytes: int = 0
    threads: int = 0
    processes: int = 0


def usage_of(process: int) -> Usage:
    """Nothing for those that are gone."""
    try:
        leader = psutil.Process(process)
        tree = [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return Usage()
    resident = threads = 0
    for each in tree:
        with suppress(psutil.Error), each.oneshot():
            resident += each.memory_info().rss
            threads += _threads_of(each)
    return Usage(resident, threads, len(tree))


def _threads_of(process: psutil.Process) -> int:
    """Return how many threads there are: on Linux not as `status` tells it, where a process's name may fake it."""
    if sys.platform != "linux":
        return process.num_threads()
    try:
        return len(os.listdir(f"/proc/{process.pid}/task"))  # noqa: PTH208 - twice as quick as pathlib
    except OSError:
        return 0
