"""Records read a moment ago, for those who look again and again (docs/adr/0066-a-look-may-be-a-second-old.md)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vodstack_contracts.videos import VideoRecord

Read = Callable[[str], Awaitable[VideoRecord | None]]

# Some KiB each.
RECORDS = 10_000


@dataclass(frozen=True)
class _Look:
    """A read under way or done. Its age counts from its start: that is how old what it found may be."""

    started_at: float
    reading: "asyncio.Task[VideoRecord | None]"


class Recent:
    """Reads each record at most once in `seconds`, whoever asks; with none, each time."""

    def __init__(self, read: Read, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._seconds = seconds
        self._clock = clock
        # In the order of their starts, for one is never put in another's place.
        self._looks: dict[str, _Look] = {}

    async def find(self, video_id: str) -> VideoRecord | None:
        """What others look at too: not to be changed."""
        if not self._seconds:
            return await self._read(video_id)
        self._drop_old()
        look = self._looks.get(video_id) or self._start(video_id)
        # A client that goes away must not take the others' read with it.
        return look.reading.result() if look.reading.done() else await asyncio.shield(look.reading)

    def forget(self, video_id: str) -> None:
        """What was read of it, or is being read, is shown to nobody who asks from now on."""
        self._looks.pop(video_id, None)

    def _start(self, video_id: str) -> _Look:
        async def read() -> VideoRecord | None:
            return await self._read(video_id)

        look = _Look(self._clock(), asyncio.create_task(read()))
        self._looks[video_id] = look
        look.reading.add_done_callback(lambda _: self._settle(video_id, look))
        return look

    def _settle(self, video_id: str, look: _Look) -> None:
        """Keep what was found; a failure, or that there is nothing, is no answer to the next."""
        failed = look.reading.cancelled() or look.reading.exception() is not None
        if (failed or look.reading.result() is None) and self._looks.get(video_id) is look:
            self.forget(video_id)

    def _drop_old(self) -> None:
        too_old = self._clock() - self._seconds
        while self._looks:
            eldest = next(iter(self._looks))
            if self._looks[eldest].started_at > too_old and len(self._looks) < RECORDS:
                return
            self.forget(eldest)
