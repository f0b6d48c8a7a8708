"""A film's MP4, joined from segments in the bucket to the bucket: neither scratch nor memory grow with the film.

docs/adr/0060-a-films-mp4-needs-no-scratch.md
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from vodstack_worker.completeness import AAC_SAMPLES
from vodstack_worker.errors import RetryError, ToolError
from vodstack_worker.filters import AUDIO_RATE
from vodstack_worker.media_process import Ending, Limits, run_module
from vodstack_worker.multipart import Multipart, part_bytes
from vodstack_worker.pieces import LARGEST_PIECE_BYTES, PIECE, Parts
from vodstack_worker.pipe_ends import open_pipe
from vodstack_worker.relay import Relay

# What libavformat's index takes at most: of a picture its size and how much later than decoded it is shown, of a piece
# of sound its size, of a run of either where it lies and how long it is.
_PICTURE_BYTES = 12
_SOUND_BYTES = 4
_RUN_BYTES = 20
_RUN_SECONDS = 1.0
_LONGEST_RUN_BYTES = 2**19
_SPARE_BYTES = 16 * 1024
_WALL_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """What an MP4 is joined from: addresses of playlists, pictures first, and how much is in them."""

    addresses: Sequence[str]
    frames: int
    seconds: float
    size_bytes: int

    @property
    def index_bytes(self) -> int:
        """Room for the index, reserved before it is known."""
        sounds = self.seconds * AUDIO_RATE / AAC_SAMPLES + 2
        runs = 2 * (self.seconds / _RUN_SECONDS + 1) + self.size_bytes / _LONGEST_RUN_BYTES
        return int(self.frames * _PICTURE_BYTES + sounds * _SOUND_BYTES + runs * _RUN_BYTES) + _SPARE_BYTES

    @property
    def most_bytes(self) -> int:
        """The MP4 is its index and what the segments hold, without their own heads."""
        return self.index_bytes + self.size_bytes


async def join_mp4(
    upload: Multipart,
    tracks: Tracks,
    folder: Path,
    limits: Limits,
    *,
    relay: Relay,
    on_progress: Callable[[float], None],
) -> int:
    """Send all of the MP4 to `upload`, its head at last; gives its size. Raises RetryError."""
    length = part_bytes(tracks.most_bytes)
    parts = Parts(
        first_bytes=max(length, tracks.index_bytes + _SPARE_BYTES), part_bytes=length, most_bytes=tracks.most_bytes
    )
    wall = _WALL_SECONDS + tracks.seconds
    bounded = replace(limits, wall_seconds=wall, cpu_seconds=int(wall))
    async with open_pipe(LARGEST_PIECE_BYTES) as (reader, descriptor):
        arguments = [str(descriptor), str(tracks.index_bytes), *tracks.addresses]
        run = asyncio.create_task(
            run_module("vodstack_worker.join_entry", arguments, folder, bounded, relay=relay, descriptors=(descriptor,))
        )
        # What is left open here keeps the reader from seeing the end.
        run.add_done_callback(lambda _: os.close(descriptor))
        try:
            number = await _receive(reader, parts, upload, lambda: on_progress(parts.size / tracks.most_bytes))
            ending = await run
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
    relay.require_whole()
    _require_joined(ending, tracks)
    if last := parts.last():
        await upload.send(number + 1, last)
    await upload.send(1, parts.first())
    return parts.size


async def _receive(reader: asyncio.StreamReader, parts: Parts, upload: Multipart, on_piece: Callable[[], None]) -> int:
    """Send each part but the first as it gets full, until the writer ends, well or not; gives the last one's number."""
    number = 1
    with suppress(asyncio.IncompleteReadError):
        while True:
            at, length = PIECE.unpack(await reader.readexactly(PIECE.size))
            if length > LARGEST_PIECE_BYTES:
                raise RetryError(f"a piece of {length:,} bytes came")
            for part in parts.add(at, await reader.readexactly(length)):
                number += 1
                await upload.send(number, part)
            on_piece()
    return number


def _require_joined(ending: Ending, tracks: Tracks) -> None:
    """Raises RetryError where not every picture is in."""
    if ending.exceeded or ending.code != 0:
        raise ToolError(f"join: ended with {ending.code}, {ending.exceeded or 'no'} limit exceeded: {ending.stderr}")
    try:
        counts = msgspec.json.decode(ending.stdout, type=list[int])
    except msgspec.MsgspecError as error:
        raise RetryError(f"join: {ending.stdout[:100]!r} was printed") from error
    if len(counts) != len(tracks.addresses) or counts[0] != tracks.frames or not all(counts):
        raise RetryError(f"join: {counts} packets went in, where {tracks.frames} pictures are")
