"""What a chunk's run wrote, checked before anybody gets to see it."""

import hashlib
from pathlib import Path

from msgspec import Struct

from vodstack_worker.arguments import INIT, OUTPUT, PLAYLIST
from vodstack_worker.completeness import count_frames, lost_audio, read_segment
from vodstack_worker.encode_log import EncodeLog
from vodstack_worker.errors import MismatchError
from vodstack_worker.plans import AUDIO, Chunk, ChunkPlan
from vodstack_worker.playlists import Listing, list_segments


class ChunkResult(Struct, frozen=True, kw_only=True):
    """What one job of a plan made: digests of its init segments, and how long the audio's segments are.

    `lost_seconds` of the audio could not be decoded.
    """

    frames: int
    inits: dict[str, str]
    seconds: float
    lengths: list[float] = []
    lost_seconds: float = 0.0


def check_chunk(folder: Path, made: ChunkPlan, chunk: Chunk, log: EncodeLog, seconds: float) -> ChunkResult:
    """The result of a chunk whose every frame lies where the plan wants it. Raises MismatchError."""
    inits: dict[str, str] = {}
    frames = chunk.end - chunk.first
    for rung in made.plan.rungs:
        home = folder / OUTPUT / "hls" / rung.name
        inits[rung.name] = _digest(home / f"{made.prefix}{INIT}")
        _require_names(home, made, chunk)
        found = count_frames(home, made.plan, chunk.first, made.prefix)
        if found != frames:
            raise MismatchError(f"chunk {chunk.number} has {found} frames of {frames}")
    decoded = log.decoded.get(made.plan.probe.video_index)
    if decoded and decoded.errors:
        # How much is missing of a damaged video is seen in one pass.
        raise MismatchError(f"chunk {chunk.number}: {decoded.errors} errors in decoding")
    return ChunkResult(frames=frames, inits=inits, seconds=seconds)


def _require_names(home: Path, made: ChunkPlan, chunk: Chunk) -> None:
    """Raises MismatchError unless the segments are those that the playlist is to name."""
    length = made.plan.segment
    wanted = [made.segment_name(number) for number in range(chunk.first // length, -(-chunk.end // length))]
    found = sorted(path.name for path in home.glob(f"{made.prefix}*.m4s"))
    if found != wanted:
        raise MismatchError(f"chunk {chunk.number}: {home.name} has the segments {found[:3]} and on, not {wanted[:3]}")


def check_audio(
    folder: Path, made: ChunkPlan, sent: dict[str, list[str]], log: EncodeLog, seconds: float
) -> ChunkResult:
    """The result of audio whose every segment is `sent` or still there. Raises MismatchError or RetryError."""
    found = {name: _list_audio(folder / OUTPUT / "hls" / name, sent.get(name, [])) for name in made.plan.audio_names}
    lengths = found[AUDIO].durations
    # All are as long as the video, and cut by one rule: so the lengths of one are told for all.
    for name, listed in found.items():
        if listed.durations != lengths:
            raise MismatchError(f"the segments of {name} are not as long as those of {AUDIO}")
    inits = {name: _digest(listed.init) for name, listed in found.items()}
    lost = max((lost_audio(track, log) for track in made.plan.probe.audios), default=0.0)
    return ChunkResult(frames=0, inits=inits, seconds=seconds, lengths=lengths, lost_seconds=lost)


def _list_audio(home: Path, sent: list[str]) -> Listing:
    listed = list_segments(home / PLAYLIST)
    left = sorted(home.glob("*.m4s"))
    found = [*sent, *(path.name for path in left)]
    if listed.segments != found:
        raise MismatchError(f"{home.name} has {len(found)} segments, and its playlist {len(listed.segments)}")
    for path in left:
        read_segment(path)
    return listed


def _digest(path: Path) -> str:
    if not path.is_file():
        raise MismatchError(f"{path.name} was not written")
    return hashlib.sha256(path.read_bytes()).hexdigest()
