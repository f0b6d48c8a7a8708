"""What a chunk's run wrote, checked before anybody gets to see it."""

import hashlib
from pathlib import Path

from msgspec import Struct

from vodstack_worker.arguments import INIT
from vodstack_worker.completeness import count_frames, lost_audio, read_segment
from vodstack_worker.encode_log import EncodeLog
from vodstack_worker.errors import MismatchError
from vodstack_worker.plans import AUDIO, Chunk, ChunkPlan
from vodstack_worker.playlists import Listing, list_segments
from vodstack_worker.tool_files import INIT_BYTES, JobFiles


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
    files = JobFiles(folder)
    for rung in made.plan.rungs:
        home = f"hls/{rung.name}"
        inits[rung.name] = _digest(files, f"{home}/{made.prefix}{INIT}")
        _require_names(files, home, made, chunk)
        names = [f"{home}/{name}" for name in segments_of(made, chunk)]
        found = count_frames(files, names, made.plan, chunk.first)
        if found != frames:
            raise MismatchError(f"chunk {chunk.number} has {found} frames of {frames}")
    decoded = log.decoded.get(made.plan.probe.video_index)
    if decoded and decoded.errors:
        # How much is missing of a damaged video is seen in one pass.
        raise MismatchError(f"chunk {chunk.number}: {decoded.errors} errors in decoding")
    return ChunkResult(frames=frames, inits=inits, seconds=seconds)


def segments_of(made: ChunkPlan, chunk: Chunk) -> list[str]:
    """The names of a chunk's segments, the same in every rendition's folder."""
    length = made.plan.segment
    return [made.segment_name(number) for number in range(chunk.first // length, -(-chunk.end // length))]


def _require_names(files: JobFiles, home: str, made: ChunkPlan, chunk: Chunk) -> None:
    """Raises MismatchError unless the segments are those that the playlist is to name."""
    wanted = segments_of(made, chunk)
    found = [name for name in files.names(home) if name.startswith(made.prefix) and name.endswith(".m4s")]
    if found != wanted:
        raise MismatchError(f"chunk {chunk.number}: {home} has the segments {found[:3]} and on, not {wanted[:3]}")


def check_audio(
    folder: Path, made: ChunkPlan, sent: dict[str, list[str]], log: EncodeLog, seconds: float
) -> ChunkResult:
    """The result of audio whose every segment is `sent` or still there. Raises MismatchError or RetryError."""
    files = JobFiles(folder)
    found = {name: _list_audio(files, f"hls/{name}", made, sent.get(name, [])) for name in made.plan.audio_names}
    lengths = found[AUDIO].durations
    # All are as long as the video, and cut by one rule: so the lengths of one are told for all.
    for name, listed in found.items():
        if listed.durations != lengths:
            raise MismatchError(f"the segments of {name} are not as long as those of {AUDIO}")
    inits = {name: _digest(files, f"hls/{name}/{made.prefix}{INIT}") for name in found}
    lost = max((lost_audio(track, log) for track in made.plan.probe.audios), default=0.0)
    return ChunkResult(frames=0, inits=inits, seconds=seconds, lengths=lengths, lost_seconds=lost)


def _list_audio(files: JobFiles, home: str, made: ChunkPlan, sent: list[str]) -> Listing:
    listed = list_segments(files, home, made.prefix)
    if listed.segments[: len(sent)] != sent:
        raise MismatchError(f"of {home} {len(sent)} segments were sent, and its playlist has {len(listed.segments)}")
    for name in listed.segments[len(sent) :]:
        read_segment(files, f"{home}/{name}")
    return listed


def _digest(files: JobFiles, name: str) -> str:
    return hashlib.sha256(files.read(name, INIT_BYTES)).hexdigest()
