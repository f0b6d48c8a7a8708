"""Segments that leave scratch while others are written, for what would be left there grows with the film."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from vodstack_worker.playlists import segment_name
from vodstack_worker.tool_files import JobFiles

T = TypeVar("T")
_LOOK_SECONDS = 0.5
# The last is being written, and where it turns out short, the one before it has to be there.
_STAYING = 2


async def send_as_written(
    encoding: Coroutine[Any, Any, T],
    files: JobFiles,
    homes: Sequence[str],
    send: Callable[[list[str]], Awaitable[None]],
    prefix: str = "",
) -> tuple[T, dict[str, list[str]]]:
    """Send and remove all segments in each of `homes` but the last two.

    Return what `encoding` returns, and for each home's name the names of what is gone, in order.

    Raises what `encoding` and `send` raise, either of which ends the other.
    """
    sent = {home: list[str]() for home in homes}
    run = asyncio.create_task(encoding)
    try:
        while not run.done():
            await asyncio.wait({run}, timeout=_LOOK_SECONDS)
            finished = {home: _finished(files, home, len(sent[home]), prefix) for home in homes}
            await send([f"{home}/{name}" for home, names in finished.items() for name in names])
            for home, names in finished.items():
                for name in names:
                    files.remove(f"{home}/{name}")
                    sent[home].append(name)
        made = await run
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    return made, {home.rpartition("/")[2]: names for home, names in sent.items()}


def _finished(files: JobFiles, home: str, first: int, prefix: str) -> list[str]:
    """The segments that follow those sent, as far as they are there: no other name is looked at."""
    left = set(files.names(home))
    following = (segment_name(number, prefix) for number in itertools.count(first))
    return list(itertools.takewhile(left.__contains__, following))[:-_STAYING]
