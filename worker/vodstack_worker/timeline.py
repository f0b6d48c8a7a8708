"""Timestamps of an original, read without decoding it, in seconds of the container's clock."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import nan
from statistics import median
from typing import Any, cast

import av
from av.container import InputContainer
from av.packet import Packet

from vodstack_contracts.videos import FailureCode
from vodstack_worker.continuations import Span
from vodstack_worker.errors import GiveUpError
from vodstack_worker.extent import Extent
from vodstack_worker.frame_samples import FrameSamples
from vodstack_worker.jumps import Clock, Corrections, find_corrections
from vodstack_worker.parameters import Parameters
from vodstack_worker.probe_source import demux

_MAX_KEYS = 4096
_LONGEST_LAST_SECONDS = 3600.0
# Containers whose clock may begin anew in the middle, because recordings are joined or a transmission is.
JOINED = frozenset({"mpegts", "mpeg", "flv", "ogg"})


@dataclass
class Track:
    """Packets of one stream, in order of decoding: when each is decoded, shown, and for how long; `places` in the file.

    What the container cuts off is not `kept`, and has no time of decoding, but counts as a packet.
    """

    decoded: "array[float]" = field(default_factory=lambda: array("d"))
    shown: "array[float]" = field(default_factory=lambda: array("d"))
    lengths: "array[float]" = field(default_factory=lambda: array("f"))
    kept: bytearray = field(default_factory=bytearray)
    places: "array[int]" = field(default_factory=lambda: array("Q"))

    def add(self, packet: "Packet[Any]", place: int) -> None:
        base = packet.time_base
        shown = packet.dts if packet.pts is None else packet.pts
        decoded = packet.pts if packet.dts is None else packet.dts
        if packet.is_discard:
            decoded = None
        self.shown.append(nan if shown is None else float(shown * base))
        self.decoded.append(nan if decoded is None else float(decoded * base))
        self.lengths.append(float((packet.duration or 0) * base))
        self.kept.append(shown is not None and not packet.is_discard)
        self.places.append(place)


@dataclass
class Keys:
    """Key frames at which decoding may begin, as moments of display and of decoding; thinned out where there are many.

    `widest` is the longest way from one to the next, none left out.
    """

    moments: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    widest: float = 0.0
    count: int = 0
    every: int = 1
    last: float | None = None

    def add(self, shown: float, decoded: float) -> None:
        if self.last is not None:
            self.widest = max(self.widest, shown - self.last)
        self.last = shown
        if self.count % self.every == 0:
            self.moments.append((shown, decoded))
        self.count += 1
        if len(self.moments) > _MAX_KEYS:
            self.moments = self.moments[::2]
            self.every *= 2


@dataclass
class Timeline:
    """The tracks that are used, by their index; of `others` what tells whether a track goes on in them.

    `untimed` tells of frames that lack timestamps, `changes` of a codec whose parameters change on the way.
    """

    container_start: float
    video: Track = field(default_factory=Track)
    audio: dict[int, Track] = field(default_factory=dict[int, Track])
    others: dict[int, Span] = field(default_factory=dict[int, Span])
    keys: Keys = field(default_factory=Keys)
    untimed: bool = False
    changes: bool = False

    def corrections(self, demuxer: str) -> tuple[Corrections, dict[int, Corrections]]:
        """Those of the video's jumps, and of each audio track's."""
        tracks = [Clock(track.decoded, track.places) for track in (self.video, *self.audio.values())]
        video, *audio = find_corrections(tracks, joined=demuxer in JOINED)
        return video, dict(zip(self.audio, audio, strict=True))


def scan(
    container: InputContainer,
    video: int,
    audio: Sequence[int],
    samples: FrameSamples,
    *,
    others: Sequence[int] = (),
    max_frames: int,
) -> Timeline:
    """Return the timeline of the streams with these indexes, and the spans of `others`.

    A file that ends in an error ends there. Raises GiveUpError as soon as there are more frames than are accepted, for
    what is kept of each takes memory.
    """
    start = cast("int | None", container.start_time)  # not every container has a clock, whatever PyAV's types say
    timeline = Timeline(container_start=start / av.time_base if start is not None else 0.0)
    timeline.audio = {index: Track() for index in audio}
    timeline.others = {index: Span() for index in others}
    stream = container.streams[video]
    parameters = Parameters(stream.codec_context.name)
    indexes = {video, *audio, *others}
    wanted = [each for each in container.streams if each.index in indexes]
    for place, packet in enumerate(demux(container, wanted)):
        # The empty packets with which PyAV ends have no time; an empty one that has repeats the frame before.
        if packet.size == 0 and packet.dts is None:
            continue
        if span := timeline.others.get(packet.stream_index):
            if packet.pts is not None:
                span.add(place, float(packet.pts * packet.time_base))
            continue
        if packet.stream_index != video:
            timeline.audio[packet.stream_index].add(packet, place)
            continue
        timeline.video.add(packet, place)
        _require_few(timeline.video, max_frames)
        if packet.size and parameters.change(packet):
            timeline.changes = True
            samples.find_shape(packet, len(timeline.video.shown) - 1)
        timeline.untimed |= packet.pts is None
        if packet.is_keyframe and not packet.is_discard and packet.pts is not None:
            shown = timeline.video.shown[-1]
            timeline.keys.add(shown, timeline.video.decoded[-1])
            samples.offer(packet, shown)
    return timeline


def _require_few(track: Track, max_frames: int) -> None:
    if len(track.shown) > max_frames:
        raise GiveUpError(
            FailureCode.TOO_MANY_FRAMES,
            f"The video has more than the {max_frames:,} frames that are accepted. "
            "Export it at a lower frame rate, or cut it into parts.",
        )


def measure(track: Track, corrections: Corrections) -> Extent | None:
    """Where the track begins and ends; None for one of which nothing is shown."""
    shown = array("d", corrections.applied(track.shown)) if corrections.pieces else track.shown
    kept = [moment for moment, keep in zip(shown, track.kept, strict=True) if keep]
    if not kept:
        return None
    last = max(kept)
    gaps = [after - before for before, after in pairwise(sorted(kept)) if after > before]
    interval = median(gaps) if gaps else None
    return Extent(
        start=min(kept),
        last=last,
        end=last + _last_length(track, shown, last, interval),
        packets=len(kept),
        interval=interval,
    )


def _last_length(track: Track, shown: "array[float]", last: float, interval: float | None) -> float:
    """How long what is shown last stays.

    Containers that tell lengths by decoding times tell another frame's there, unless it is decoded last as well. One
    that lasts for hours is no length.
    """
    at = max(number for number, keep in enumerate(track.kept) if keep and shown[number] == last)
    length = track.lengths[at]
    if interval is None:
        return length
    is_whole = not any(track.kept[at + 1 :]) and length <= _LONGEST_LAST_SECONDS
    return length if is_whole else min(length, interval)
