"""Decoded frames of an original: the first ones, and key frames spread over the whole."""

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol, cast

import av
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vodstack_contracts.videos import FailureCode
from vodstack_worker.colours import Colours, Tags, choose_colours, read_tags
from vodstack_worker.errors import GiveUpError
from vodstack_worker.probe_source import demux
from vodstack_worker.probed import MAX_PIXELS, MAX_SIDE

DAMAGED = "The file is damaged and cannot be read. Export the video again and upload that."
_PACKETS_UNTIL_A_FRAME = 2000
_FIRST_FRAMES = 5
_SAMPLES = 16
_SHORTEST_STEP_SECONDS = 2.0
_WIDEST_PIXEL = 8
_MOST_SHAPES = 50


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A decoded frame as it is displayed: square pixels, turned upright. `bytes` are those of the frame in memory."""

    width: int
    height: int
    coded: tuple[int, int]
    pixel: Fraction
    interlaced: bool
    turned: bool
    tags: Tags
    bytes: int


class _Decoder(Protocol):
    """A video track's av.codec.CodecContext, whose own types leave much open."""

    def decode(self, packet: "Packet[Any] | None") -> list[VideoFrame]: ...

    def flush_buffers(self) -> None: ...


@dataclass
class FrameSamples:
    """Samples of one video track, the first frames' before the others.

    `shapes` are those of its pixels, each from the packet with that number on.
    """

    found: list[Sample] = field(default_factory=list[Sample])
    step_seconds: float = _SHORTEST_STEP_SECONDS
    shapes: list[tuple[int, Fraction]] = field(default_factory=list[tuple[int, Fraction]])
    _next: float | None = None

    @property
    def field_size(self) -> tuple[int, int] | None:
        """That of the largest frame among the interlaced ones, as it is coded."""
        return max((sample.coded for sample in self.found if sample.interlaced), default=None, key=math.prod)

    @property
    def upright(self) -> bool:
        return not any(sample.turned for sample in self.found)

    @property
    def colours(self) -> Colours:
        return choose_colours([sample.tags for sample in self.found])

    @property
    def bytes(self) -> int:
        return max(sample.bytes for sample in self.found)

    @property
    def size(self) -> tuple[int, int]:
        """The largest size of the most frequent shape: tracks may begin with a slate, or change on the way."""
        shapes = Counter(round(sample.width / sample.height, 1) for sample in self.found)
        shape = max(shapes, key=lambda each: shapes[each])
        alike = [sample for sample in self.found if round(sample.width / sample.height, 1) == shape]
        largest = max(alike, key=lambda sample: sample.width * sample.height)
        return largest.width, largest.height

    def begin(self, container: InputContainer, video: VideoStream) -> None:
        """Decode the first frames. Raises GiveUpError where there are none, or they are too large."""
        for count, packet in enumerate(demux(container, [video])):
            if packet.size == 0 and packet.pts is not None:
                # Theora's way to say "as before"; a decoder would take it for the end.
                continue
            try:
                self.found += [_sample(frame, video) for frame in packet.decode()]
            except InvalidDataError:
                # Streams that were cut out of a broadcast begin with what cannot be decoded yet.
                continue
            if len(self.found) >= _FIRST_FRAMES or count > _PACKETS_UNTIL_A_FRAME:
                break
        if not self.found:
            raise GiveUpError(FailureCode.CORRUPT, DAMAGED)
        # Any of them would do; more of the first would outweigh what follows.
        first = next((sample for sample in self.found if sample.interlaced), self.found[0])
        self.found = [first]
        self.shapes = [(0, first.pixel)]
        seconds = (container.duration or 0) / av.time_base
        self.step_seconds = max(_SHORTEST_STEP_SECONDS, seconds / _SAMPLES)

    def find_shape(self, packet: "Packet[Any]", number: int) -> None:
        """Note the pixels' shape from a packet on that brings new parameters."""
        video = packet.stream
        if len(self.shapes) > _MOST_SHAPES or not isinstance(video, VideoStream):
            return
        shown = _decode_alone(packet, video)
        if shown and shown[0].pixel != self.shapes[-1][1]:
            self.shapes.append((number, shown[0].pixel))

    def offer(self, packet: "Packet[Any]", moment: float) -> None:
        """Decode a key frame, shown at `moment`, if the last sample lies long enough back."""
        if self._next is not None and moment < self._next:
            return
        self._next = moment + self.step_seconds
        if len(self.found) > _SAMPLES:
            # The container told less than there is.
            self.step_seconds *= 2
        video = packet.stream
        if isinstance(video, VideoStream):
            self.found += _decode_alone(packet, video)


def _decode_alone(packet: "Packet[Any]", video: VideoStream) -> list[Sample]:
    """What one key frame shows; nothing where it cannot be decoded without its neighbours."""
    context = cast("_Decoder", video.codec_context)
    samples: list[Sample] = []
    try:
        for each in (packet, None):
            samples += [_sample(frame, video) for frame in context.decode(each)]
    except FFmpegError:
        pass
    finally:
        context.flush_buffers()
    return samples


def _sample(frame: VideoFrame, video: VideoStream) -> Sample:
    require_dimensions(frame.width, frame.height)
    pixel = _sane(video.codec_context.sample_aspect_ratio or video.sample_aspect_ratio)
    width, height = _displayed(frame, pixel)
    return Sample(
        width=width,
        height=height,
        coded=(frame.width, frame.height),
        pixel=pixel,
        interlaced=frame.interlaced_frame,
        turned=bool(frame.rotation),
        tags=read_tags(frame),
        bytes=frame.width * frame.height * frame.format.padded_bits_per_pixel // 8,
    )


def require_dimensions(width: int, height: int) -> None:
    """Raises GiveUpError."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise GiveUpError(
            FailureCode.DIMENSIONS_TOO_LARGE,
            f"The picture has {width}x{height} pixels, more than {MAX_SIDE} on a side or {MAX_PIXELS:,} in all. "
            "Export a smaller one.",
        )


def _sane(pixel: Fraction | None) -> Fraction:
    """Width over height of a pixel; square where it is not told, or cannot be meant."""
    return pixel if pixel and Fraction(1, _WIDEST_PIXEL) <= pixel <= _WIDEST_PIXEL else Fraction(1)


def _displayed(frame: VideoFrame, pixel: Fraction) -> tuple[int, int]:
    """Size on a screen of square pixels. Wide pixels widen the picture, tall ones heighten it: no detail is lost."""
    width, height = frame.width * max(pixel, Fraction(1)), frame.height / min(pixel, Fraction(1))
    if round(frame.rotation / 90) % 2:
        width, height = height, width
    return max(1, round(width)), max(1, round(height))
