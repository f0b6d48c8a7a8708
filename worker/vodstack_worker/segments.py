"""What a chunk's run wrote, checked before anybody gets to see it."""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

from msgspec import Struct

from vodstack_worker.arguments import AUDIO, INIT, OUTPUT, PLAYLIST
from vodstack_worker.errors import MismatchError
from vodstack_worker.plans import Chunk, ChunkPlan
from vodstack_worker.playlists import list_segments

_BOX_HEAD_BYTES = 8
_CONTAINERS = frozenset({b"moof", b"traf"})


class ChunkResult(Struct, frozen=True, kw_only=True):
    """What one job of a plan made: digests of its init segments, and how long the sound's segments are."""

    frames: int
    inits: dict[str, str]
    seconds: float
    lengths: list[float] = []


def check_chunk(folder: Path, made: ChunkPlan, chunk: Chunk, seconds: float) -> ChunkResult:
    """The result of a chunk whose every frame lies where the plan wants it. Raises MismatchError."""
    counts: set[int] = set()
    inits: dict[str, str] = {}
    for rung in made.plan.rungs:
        home = folder / OUTPUT / "hls" / rung.name
        inits[rung.name] = _digest(home / f"{made.prefix}{INIT}")
        counts.add(_count_frames(home, made, chunk))
    (frames,) = counts if len(counts) == 1 else (-1,)
    wanted = chunk.end - chunk.first
    # The last chunk ends where the source does, whatever its container says.
    if frames != wanted and not (chunk.last and 0 < frames < wanted):
        raise MismatchError(f"chunk {chunk.number} has {frames} frames of {wanted}")
    return ChunkResult(frames=frames, inits=inits, seconds=seconds)


def check_sound(folder: Path, sent: list[str], seconds: float) -> ChunkResult:
    """The result of sound whose every segment is `sent` or still there. Raises RetryError."""
    home = folder / OUTPUT / "hls" / AUDIO
    listed = list_segments(home / PLAYLIST)
    found = [*sent, *sorted(path.name for path in home.glob("*.m4s"))]
    if listed.segments != found:
        raise MismatchError(f"the sound has {len(found)} segments, and its playlist {len(listed.segments)}")
    return ChunkResult(frames=0, inits={AUDIO: _digest(listed.init)}, seconds=seconds, lengths=listed.durations)


def _digest(path: Path) -> str:
    if not path.is_file():
        raise MismatchError(f"{path.name} was not written")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _count_frames(home: Path, made: ChunkPlan, chunk: Chunk) -> int:
    """Frames of one rendition, each segment of which begins at its own moment."""
    plan = made.plan
    paths = sorted(home.glob(f"{made.prefix}*.m4s"))
    frames = 0
    for number, path in zip(count(chunk.first // plan.segment), paths, strict=False):
        first = chunk.first + frames
        begins, length = _read_fragments(path.read_bytes())
        if path.name != made.segment_name(number) or first != number * plan.segment:
            raise MismatchError(f"segment {number} is cut at frame {first}")
        if begins != Fraction(first * plan.timescale) / plan.probe.rate:
            raise MismatchError(f"segment {number} begins at {begins} of {plan.timescale}")
        frames += length
    return frames


def _read_fragments(data: bytes) -> tuple[int, int]:
    """When a segment begins, in units of its timescale, and how many frames it has."""
    begins, frames = -1, 0
    for kind, content in _boxes(data):
        if kind == b"tfdt":
            wide = content[0] == 1
            begins = int.from_bytes(content[4:12] if wide else content[4:8]) if begins < 0 else begins
        elif kind == b"trun":
            frames += int.from_bytes(content[4:8])
    return begins, frames


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + _BOX_HEAD_BYTES <= len(data):
        size, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size < _BOX_HEAD_BYTES:
            return
        content = data[at + _BOX_HEAD_BYTES : at + size]
        if kind in _CONTAINERS:
            yield from _boxes(content)
        else:
            yield kind, content
        at += size
