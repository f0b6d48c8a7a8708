"""Sources whose every frame shows its number and whose audio is heard or not, at moments that a test chooses."""

import math
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.video.frame import VideoFrame

BITS = 10
RATE = 30
AUDIO_RATE = 48_000
_SAMPLES = 1024
# No frame is held back, so that packets of all tracks come in the order of time.
_X264 = {"preset": "ultrafast", "tune": "zerolatency", "bf": "0", "g": "15"}
_TONE_HERTZ = 1000
# The tone repeats itself after a whole number of samples, at any usual rate.
_PERIODS_A_SECOND = 100
_TIME_BASE = Fraction(1, 1000)
_FLV_HEAD_BYTES = 13
_FLV_TAG_BYTES = 11
_FLV_AUDIO, _FLV_VIDEO = 8, 9


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Frames at `times`, in seconds, and a tone from `audio[0]` to `audio[1]`; parameters of both."""

    times: Sequence[float]
    audio: tuple[float, float] | None = None
    size: tuple[int, int] = (160, 96)
    layout: str = "stereo"
    rate: int = AUDIO_RATE
    first: int = 0

    def shifted(self, seconds: float) -> "Recording":
        moved = (self.audio[0] + seconds, self.audio[1] + seconds) if self.audio else None
        return replace(self, times=[moment + seconds for moment in self.times], audio=moved)


def steady(count: int, rate: float = RATE, start: float = 0.0) -> list[float]:
    return [start + number / rate for number in range(count)]


def write(path: Path, *recordings: Recording) -> Path:
    """Write them, one after the other, in the container that the ending names: of several, MPEG-TS or FLV."""
    data = bytearray()
    for number, recording in enumerate(recordings):
        part = path.with_name(f"{number}-{path.name}")
        _write(part, recording)
        joined = part.read_bytes()
        data += joined[_FLV_HEAD_BYTES:] if number and path.suffix == ".flv" else joined
        part.unlink()
    path.write_bytes(data)
    return path


def _write(path: Path, recording: Recording) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options=_X264)
        video.width, video.height = recording.size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = _TIME_BASE
        encodes: list[tuple[float, int, Callable[[], list[Packet[Any]]]]] = [
            (frame.time or 0.0, number, partial(video.encode, frame)) for number, frame in _numbered(recording)
        ]
        ends: list[Callable[[], list[Packet[Any]]]] = [partial(video.encode, None)]
        if recording.audio:
            audio = container.add_stream("aac", rate=recording.rate, layout=recording.layout)
            encodes += [(frame.time or 0.0, -1, partial(audio.encode, frame)) for frame in _tone(recording)]
            ends.append(partial(audio.encode, None))
        for _, _, encode in sorted(encodes, key=lambda each: each[:2]):
            container.mux(encode())
        for end in ends:
            container.mux(end())


def _numbered(recording: Recording) -> Iterator[tuple[int, VideoFrame]]:
    width, height = recording.size
    column = width // BITS
    for number, moment in enumerate(recording.times, start=recording.first):
        row = bytes(235 if number >> (place // column) & 1 else 16 for place in range(column * BITS))
        row += bytes([16]) * (width - len(row))
        frame = VideoFrame(width, height, "yuv420p")
        for plane, value in zip(frame.planes, (row * height, None, None), strict=True):
            lines = value or bytes([128]) * (width // 2 * height // 2)
            length = width if value else width // 2
            padded = b"".join(
                lines[at : at + length].ljust(plane.line_size, b"\0") for at in range(0, len(lines), length)
            )
            plane.update(padded)
        frame.pts, frame.time_base = round(moment * 1000), _TIME_BASE
        yield number, frame


def _tone(recording: Recording) -> Iterator[AudioFrame]:
    assert recording.audio
    start, end = recording.audio
    period = recording.rate // _PERIODS_A_SECOND
    waves = array("f", (0.5 * math.sin(2 * math.pi * _TONE_HERTZ * at / recording.rate) for at in range(period)))
    waves *= 2 + _SAMPLES // period
    for at in range(0, round((end - start) * recording.rate), _SAMPLES):
        frame = AudioFrame("fltp", recording.layout, _SAMPLES)
        for plane in frame.planes:
            plane.update(waves[at % period : at % period + _SAMPLES].tobytes())
        frame.sample_rate = recording.rate
        frame.pts, frame.time_base = round(start * recording.rate) + at, Fraction(1, recording.rate)
        yield frame


def set_times(path: Path, video: dict[int, float]) -> None:
    """Change when single frames of an FLV are shown, by their number in the file; a frame in it says nothing of it."""
    data = bytearray(path.read_bytes())
    at, number = _FLV_HEAD_BYTES, -1
    while at + _FLV_TAG_BYTES <= len(data):
        length = int.from_bytes(data[at + 1 : at + 4])
        # The first video tag holds parameters alone.
        if data[at] == _FLV_VIDEO and data[at + _FLV_TAG_BYTES + 1] == 1:
            number += 1
            if number in video:
                stamp = struct.pack(">I", round(video[number] * 1000))
                data[at + 4 : at + 8] = stamp[1:] + stamp[:1]
        at += _FLV_TAG_BYTES + length + 4
    path.write_bytes(data)


@dataclass(frozen=True)
class Seen:
    """What a player shows of a result: the number of the frame at each moment, and whether audio is heard."""

    frames: list[tuple[float, int]]
    audio: list[tuple[float, bool]]
    seconds: float

    def number_at(self, moment: float) -> int:
        return next(number for time, number in reversed(self.frames) if time <= moment + 0.001)

    def is_heard(self, moment: float) -> bool:
        return next(heard for time, heard in reversed(self.audio) if time <= moment)


def see(path: Path) -> Seen:
    """Decode a result."""
    with av.open(str(path)) as container:
        frames = [(float(frame.time or 0), _number(frame)) for frame in container.decode(video=0)]
        seconds = float((container.duration or 0) / 1_000_000)
    audio: list[tuple[float, bool]] = []
    with av.open(str(path)) as container:
        if container.streams.audio:
            for frame in container.decode(audio=0):
                loudest = max(memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples], default=0.0)
                audio.append((float(frame.time or 0), loudest > 0.1))
    return Seen(frames, audio, seconds)


def _number(frame: VideoFrame) -> int:
    plane = frame.planes[0]
    row = bytes(plane)[plane.line_size * (frame.height // 2) :]
    column = frame.width // BITS
    return sum(1 << place for place in range(BITS) if row[place * column + column // 2] > 128)


def damage(path: Path, start: float, end: float, kind: str = "video") -> Path:
    """Overwrite the packets of one track that are shown from `start` to `end`; their timestamps stay as they are."""
    with av.open(str(path)) as container:
        stream = next(each for each in container.streams if each.type == kind)
        hurt = [
            (packet.pos or 0, packet.size)
            for packet in container.demux(stream)
            if packet.pts is not None and start <= float(packet.pts * packet.time_base) < end
        ]
    data = bytearray(path.read_bytes())
    for at, size in hurt:
        data[at : at + size] = bytes([0xFF]) * size
    path.write_bytes(data)
    return path
