"""Memory: how much of it the machine gives, what an encode takes, and what a tool holds at this moment.

docs/adr/0019-memory-is-counted-where-it-counts.md
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vodstack_contracts.memory import MIB, media_bytes
from vodstack_contracts.videos import FailureCode
from vodstack_worker.errors import GiveUpError

_GROUPS = Path("/sys/fs/cgroup")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# An upper bound of what was measured: encoders of all rungs, and pictures that decoder and filters hold.
_BASE_BYTES = 400 * MIB
_THREAD_BYTES = 45 * MIB
_BASE_PICTURES = 11
_THREAD_PICTURES = 2


def encode_bytes(picture_bytes: int, threads: int) -> int:
    """What an encode may come to hold, from decoded pictures of that size."""
    pictures = _BASE_PICTURES + _THREAD_PICTURES * threads
    return _BASE_BYTES + _THREAD_BYTES * threads + pictures * picture_bytes


def fitting_threads(picture_bytes: int, memory_bytes: int, most: int) -> int:
    """How many threads, `most` at most, an encode may use. Raises GiveUpError where not even one fits."""
    spare = memory_bytes - encode_bytes(picture_bytes, 0)
    threads = spare // (_THREAD_BYTES + _THREAD_PICTURES * picture_bytes)
    if threads < 1:
        largest = max(0, (memory_bytes - encode_bytes(0, 1)) // (_BASE_PICTURES + _THREAD_PICTURES))
        raise GiveUpError(
            FailureCode.DIMENSIONS_TOO_LARGE,
            f"A picture takes {picture_bytes:,} bytes, more than the {largest:,} for which there is memory here. "
            f"Export the video with at most {largest * 2 // 3:,} pixels in all, in 8 bits.",
        )
    return min(most, threads)


def share_of_memory(jobs: int) -> int:
    """What one job's tools may take of this machine, or of the container that the worker runs in."""
    total = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES
    limit = min(_group_limits(), default=total)
    # Where nobody set a limit, others live on the machine as well.
    return media_bytes(limit if limit < total else total // 2, jobs)


def _group_limits() -> Iterator[int]:
    """The limits of this process's control groups, of version 1 or 2, from its own up to the root."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
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


def tree_of(process: int) -> list[int]:
    """A process and those that it began, as far as they hold still."""
    found = [process]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found


def resident_bytes(processes: list[int]) -> int:
    """What these hold in memory together; nothing for those that are gone."""
    total = 0
    for process in processes:
        with suppress(OSError):
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE_BYTES
    return total
