"""Work in this worker's hands, and what ends it: its own end, the loss of its lease, or the worker's leaving."""

import asyncio
import errno
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import ClientError as TransportError

from vodstack_worker.errors import InstallationError

T = TypeVar("T")
_BEAT_SECONDS = 5.0
_LONGEST_DELAY_SECONDS = 900
_MOST_DOUBLINGS = 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of the message: `done` deletes it, `hide_seconds` says when it may be seen again.

    With `goes_on`, the video of a chunk is to be taken under the same message first. `broken` stops the worker.
    """

    done: bool
    outcome: str = ""
    hide_seconds: float | None = None
    goes_on: bool = False
    broken: InstallationError | None = None


async def run_held(
    doing: Coroutine[Any, Any, T], keeping: Coroutine[Any, Any, None], stop: asyncio.Event, beat: Callable[[], None]
) -> asyncio.Task[T] | None:
    """The work, ended; None where the worker is told to leave first. Raises LeaseLostError."""
    work, lease = asyncio.create_task(doing), asyncio.create_task(keeping)
    others = [asyncio.create_task(stop.wait()), asyncio.create_task(_beat(beat))]
    try:
        await asyncio.wait({work, lease, others[0]}, return_when=asyncio.FIRST_COMPLETED)
        finished = work.done()
    finally:
        for task in (work, lease, *others):
            task.cancel()
        # Only when every one of them has ended may anything be written: two writers would race.
        await asyncio.gather(work, lease, *others, return_exceptions=True)
    if finished:
        return work
    if not lease.cancelled():
        lease.result()
    return None


def is_local(error: Exception) -> bool:
    """Whether a failure may be the video's; the network's, AWS's and a full disk's is not counted against it."""
    is_full = isinstance(error, OSError) and error.errno in _FULL
    return isinstance(error, OSError) and not is_full and not isinstance(error, TransportError | TimeoutError)


def delay_after(times: int, first: int) -> int:
    """Seconds until the next attempt, after so many failures; or receives, where none is counted."""
    return min(_LONGEST_DELAY_SECONDS, doubled(first, times - 1))


def doubled(first: int, times: int) -> int:
    """Within bounds, for a message may have come back any number of times."""
    return first * 2 ** min(max(0, times), _MOST_DOUBLINGS)


async def _beat(beat: Callable[[], None]) -> None:
    while True:
        beat()
        await asyncio.sleep(_BEAT_SECONDS)
