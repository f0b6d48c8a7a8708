"""Timestamps of an original, read without decoding it."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

from av.container import InputContainer

from vodstack_worker.parameters import Parameters

_LARGEST_STEADY_GAP_SECONDS = 10.0
_AV_TIME_BASE = 1_000_000
_MAX_INTERVALS = 200_000
_MAX_KEYS = 4096


@dataclass
class Track:
    """When one stream starts and ends, in seconds of the container's clock."""

    start: float | None = None
    end: float = 0.0
    packets: int = 0

    @property
    def length(self) -> float:
        return max(0.0, self.end - self.start) if self.start is not None else 0.0

    def add(self, start: float, length: float) -> None:
        self.start = start if self.start is None else min(self.start, start)
        self.end = max(self.end, start + length) if self.packets else start + length
        self.packets += 1


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
    """`steady` is false where time jumps back, or on by more than a pause between two pictures explains.

    `untimed` tells of pictures that lack timestamps, `changes` of a codec whose parameters change on the way.
    """

    container_start: float
    video: Track = field(default_factory=Track)
    audio: Track = field(default_factory=Track)
    starts: list[float] = field(default_factory=list[float])
    last_decode: float | None = None
    steady: bool = True
    keys: Keys = field(default_factory=Keys)
    untimed: bool = False
    changes: bool = False

    def intervals(self) -> list[float]:
        """Times between neighbouring frames, in order of display."""
        ordered = sorted(self.starts)
        return [after - before for before, after in pairwise(ordered) if after > before]


def scan(container: InputContainer, video: int, audio: int | None) -> Timeline:
    """The timeline of two streams. A file that ends in an error ends there."""
    start = cast("int | None", container.start_time)  # not every container has a clock, whatever PyAV's types say
    timeline = Timeline(container_start=start / _AV_TIME_BASE if start is not None else 0.0)
    parameters = Parameters(container.streams[video].codec_context.name)
    for packet in container.demux([stream for stream in container.streams if stream.index in (video, audio)]):
        shown, decoded = packet.pts, packet.dts
        moment = shown if shown is not None else decoded
        if packet.stream_index == video and packet.size:
            timeline.untimed |= shown is None or decoded is None
            timeline.changes |= parameters.change(packet)
        if moment is None:
            continue
        seconds, length = float(moment * packet.time_base), float((packet.duration or 0) * packet.time_base)
        decode = None if decoded is None else float(decoded * packet.time_base)
        if packet.stream_index == video:
            _add_picture(timeline, seconds, length, decode=decode, discard=packet.is_discard)
            if packet.is_keyframe and decode is not None and not packet.is_discard:
                timeline.keys.add(seconds, decode)
        elif not packet.is_discard:
            timeline.audio.add(seconds, length)
    return timeline


def _add_picture(timeline: Timeline, seconds: float, length: float, *, decode: float | None, discard: bool) -> None:
    if decode is not None:
        last = timeline.last_decode
        if last is not None and not last <= decode <= last + _LARGEST_STEADY_GAP_SECONDS:
            timeline.steady = False
        timeline.last_decode = decode
    if discard:
        return
    timeline.video.add(seconds, length)
    if len(timeline.starts) < _MAX_INTERVALS:
        timeline.starts.append(seconds)
