"""How a video is encoded: its renditions, its grid of frames, and the chunks that it is cut into."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from vodstack_worker.ladder import Rung, plan_ladder
from vodstack_worker.probed import SOURCE, Probe

AUDIO = "audio"
GROUPS_PER_SEGMENT = 2
_GROUP_SECONDS = 2
_MIN_TIMESCALE = 10_000
# A chunk is begun again when its node goes; this much work is done within the two minutes' notice of a spot node.
_NOTICE_SECONDS = 90.0
_SHORTEST_PART = 2 / 3
_KEY_GAPS_PER_CHUNK = 4
_LONGEST_STRETCH = 4
_FEWEST_CHUNKS = 2
# What was made of all chunks is one item of the table: with five renditions and a day of sound, it stays below 400 KB.
_MOST_CHUNKS = 240
# What one core encodes in a second, all renditions summed up: 38 million of noisy pictures, where it was measured.
_PIXELS_PER_CORE_SECOND = 35_000_000
_TOLERANCE_SECONDS = 1.0
_TOLERANCE = 0.02
_AFTER_KEY_SECONDS = 0.001
_BEFORE_KEY_SECONDS = 1.0


class Plan(Struct, frozen=True, kw_only=True):
    """Everything about an encode that follows from the probe."""

    probe: Probe
    rungs: list[Rung]
    threads: int

    @property
    def group(self) -> int:
        """Frames from key frame to key frame, the same in every rendition."""
        return max(1, round(self.probe.rate * _GROUP_SECONDS))

    @property
    def segment(self) -> int:
        """Frames of a segment."""
        return GROUPS_PER_SEGMENT * self.group

    @property
    def frames(self) -> int:
        """Frames of the output."""
        return self.probe.grid.frames

    @property
    def audio_names(self) -> list[str]:
        """Names of the audio renditions, the first one's before all others."""
        return [f"{AUDIO}-{number}" if number else AUDIO for number in range(len(self.probe.audios))]

    @property
    def tolerance_seconds(self) -> float:
        """How much of the source may be damaged: what is more makes it `failed`, what is less a warning."""
        return _TOLERANCE_SECONDS + _TOLERANCE * self.probe.facts.duration_seconds

    def audio_samples(self, rate: int) -> int:
        """Samples of audio that last as long as the frames."""
        return round(self.probe.grid.seconds * rate)

    @property
    def segment_microseconds(self) -> int:
        """Rounded down: a microsecond too many and the muxer waits for the next key frame."""
        return int(self.segment * 1_000_000 / self.probe.rate)

    @property
    def timescale(self) -> int:
        """One in which every frame's duration is a whole number."""
        numerator = self.probe.rate.numerator
        return numerator * -(-_MIN_TIMESCALE // numerator)


class Chunk(Struct, frozen=True, kw_only=True):
    """Frames from `first` up to `end` of the output; reading begins at `seek` seconds, or at the source's beginning."""

    number: int
    first: int
    end: int
    last: bool
    seek: float | None


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one run makes of a plan, all of it unless told otherwise, and from which address it reads.

    `names` is what its files' names begin with. With its `own_clock`, ffmpeg makes the timestamps run on itself.
    """

    source: str = SOURCE
    chunk: Chunk | None = None
    video: bool = True
    audio: bool = True
    names: str = ""
    own_clock: bool = False

    def hold_seconds(self, plan: Plan) -> float:
        """How long the last frame stays: in a chunk no longer than planned, else also where damage took the end."""
        spare = float(1 / plan.probe.rate) if self.chunk else plan.tolerance_seconds
        return plan.probe.grid.hold + spare


class ChunkPlan(Struct, frozen=True, kw_only=True):
    """All that workers need to encode a video together. `etag` pins the original, `size` is what can be read of it."""

    plan_id: str
    video_id: str
    size: int
    etag: str
    plan: Plan
    chunks: list[Chunk]

    @property
    def sound_number(self) -> int | None:
        """The number of the job that encodes the sound."""
        return len(self.chunks) if self.plan.probe.audios else None

    @property
    def numbers(self) -> range:
        """Of all jobs."""
        return range(len(self.chunks) + (self.sound_number is not None))

    @property
    def prefix(self) -> str:
        """What its files' names begin with: nothing that a job does too late touches another plan's."""
        return f"{self.plan_id}-"

    def segment_name(self, number: int) -> str:
        """Of the file that holds a segment, counted from the video's beginning."""
        return f"{self.prefix}{number:05d}.m4s"


def plan_encode(probe: Probe, threads: int) -> Plan:
    facts = probe.facts
    return Plan(probe=probe, rungs=plan_ladder(facts.width, facts.height, float(probe.rate)), threads=threads)


def plan_chunks(plan: Plan, longest_seconds: float) -> list[Chunk] | str:
    """The chunks, or why it is better done in one pass."""
    probe = plan.probe
    if probe.obstacle:
        return probe.obstacle
    longest_seconds = max(longest_seconds, float(plan.frames / probe.rate / _MOST_CHUNKS))
    wanted = _chunk_seconds(plan, longest_seconds)
    if plan.frames < _FEWEST_CHUNKS * wanted * probe.rate:
        return "short"
    if len(probe.keys) < _FEWEST_CHUNKS:
        return "one key frame only"
    seconds = max(wanted, _KEY_GAPS_PER_CHUNK * probe.key_gap)
    if seconds > min(_LONGEST_STRETCH * longest_seconds, plan.frames / probe.rate / _FEWEST_CHUNKS):
        return f"key frames lie up to {probe.key_gap:.0f} seconds apart"
    length = plan.segment * max(1, round(seconds * probe.rate / plan.segment))
    # Where audio goes on after the last frame, nothing of the source is left to begin from.
    content = probe.grid.content
    starts = [0, *(first for first in range(length, content, length) if content - first >= plan.group)]
    if len(starts) < _FEWEST_CHUNKS:
        return "short"
    return [
        Chunk(
            number=number,
            first=first,
            end=end,
            last=number == len(starts) - 1,
            seek=_seek(probe, first) if number else None,
        )
        for number, (first, end) in enumerate(zip(starts, [*starts[1:], plan.frames], strict=True))
    ]


def without_keys(plan: Plan) -> Plan:
    """The same plan, in a form short enough for the table: chunks know where to begin."""
    return replace(plan, probe=replace(plan.probe, keys=[]))


def _chunk_seconds(plan: Plan, longest: float) -> float:
    pixels = sum(rung.width * rung.height for rung in plan.rungs) * float(plan.probe.rate)
    within_notice = _NOTICE_SECONDS * plan.threads * _PIXELS_PER_CORE_SECOND / pixels
    return min(longest, max(_SHORTEST_PART * longest, within_notice))


def _seek(probe: Probe, first: int) -> float | None:
    """Where to begin so that the last key frame at or before frame `first` of the output is the first to be decoded."""
    moment = float(Fraction(first) / probe.rate) + probe.grid.origin - probe.start
    at = bisect_right(probe.keys, moment, key=lambda key: key[0]) - 1
    # A deinterlacer looks back at the picture before.
    shown, decoded = probe.keys[max(0, at - (probe.field_size is not None))]
    seek = decoded - _BEFORE_KEY_SECONDS if probe.demuxer == "mpegts" else shown + _AFTER_KEY_SECONDS
    return seek if at >= 0 and seek > 0 else None
