"""Segments that leave scratch while others are written, for what would be left there grows with the film."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_LOOK_SECONDS = 0.5
# The last is being written, and where it turns out short, the one before it has to be there.
_STAYING = 2


async def send_as_written(
    encoding: Coroutine[Any, Any, T], homes: Sequence[Path], send: Callable[[list[Path]], Awaitable[None]]
) -> tuple[T, dict[str, list[str]]]:
    """Send and remove all segments in each of `homes` but the last two.

    Return what `encoding` returns, and for each home's name the names of what is gone, in order.

    Raises what `encoding` and `send` raise, either of which ends the other.
    """
    sent = {home.name: list[str]() for home in homes}
    run = asyncio.create_task(encoding)
    try:
        while not run.done():
            await asyncio.wait({run}, timeout=_LOOK_SECONDS)
            paths = [path for home in homes for path in _finished(home)]
            await send(paths)
            for path in paths:
                path.unlink()
                sent[path.parent.name].append(path.name)
        made = await run
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    return made, sent


def _finished(home: Path) -> list[Path]:
    return sorted(home.glob("*.m4s"))[:-_STAYING]
