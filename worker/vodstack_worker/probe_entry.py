"""The caged process that opens an original: prints a Probe, or a Refusal, as JSON.

`python -I -m vodstack_worker.probe_entry CAGE DEMUXER MAX_DURATION SOURCE`, in the folder that holds the source, unless
that is an address at which the worker serves it.
"""

import math
import os
import sys
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import NamedTuple

import av
import msgspec
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vodstack_contracts.videos import Failure, FailureCode, SourceFacts, VideoWarning, WarningCode
from vodstack_worker.audio_check import first_readable
from vodstack_worker.caption_tracks import CaptionTrack, find_tracks
from vodstack_worker.codecs import AUDIO_CODECS, CODEC_WHITELIST, VIDEO_CODECS
from vodstack_worker.confine import PORT, confine, read_cage
from vodstack_worker.containers import DEMUXERS, PROTOCOLS, SEEKABLE
from vodstack_worker.errors import GiveUpError
from vodstack_worker.frame_rate import choose_rate
from vodstack_worker.late_imports import import_all
from vodstack_worker.memory import fitting_threads
from vodstack_worker.probed import MAX_PIXELS, MAX_SIDE, MAX_STREAMS, MAX_TRACKS, Probe, Refusal
from vodstack_worker.timeline import Timeline, scan
from vodstack_worker.tracks import codec_of, count_tracks, rank_pictures, rank_sound

_PACKETS_UNTIL_A_PICTURE = 2000
_PICTURES_TRIED = 4
_FRAMES_LOOKED_AT = 5
_LONG_SOUND_SECONDS = 0.5
_WIDEST_PIXEL = 8
_HDR_TRANSFERS = frozenset({16, 18})  # PQ and HLG, as ITU-T H.273 numbers them
_DAMAGED = "The file is damaged and cannot be read. Export the video again and upload that."

_UNKNOWN_AUDIO = VideoWarning(
    code=WarningCode.AUDIO_UNREADABLE,
    message="The audio is in a codec that is not accepted, so the video has no sound. "
    "Export the video with AAC audio and upload that.",
)


class _Source(NamedTuple):
    address: str
    demuxer: str

    @property
    def is_remote(self) -> bool:
        return self.address.startswith("http://")


@dataclass(frozen=True, kw_only=True)
class _Tracks:
    """The streams that are used, as the container declares them."""

    video_index: int
    audio_index: int | None
    video_codec: str
    audio_codec: str | None
    declared_rate: Fraction | None
    captions: list[CaptionTrack]
    captions_left_out: int
    warnings: list[VideoWarning]


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """What the first decoded frames say."""

    width: int
    height: int
    interlaced: bool
    hdr: bool
    bytes: int


def main() -> None:
    """Confine, probe, print."""
    cage, demuxer, max_duration, source = sys.argv[1:5]
    bounds = read_cage(cage)
    import_all()
    port = confine(bounds)
    address = _Source(source.replace(PORT, str(port)), demuxer)
    _require_readable(address)
    try:
        found: Probe | Refusal = _probe(address, int(max_duration), bounds["memory_bytes"])
    except GiveUpError as refused:
        found = Refusal(failure=refused.failure)
    except (MemoryError, FFmpegError) as error:
        print(repr(error)[:500], file=sys.stderr)  # noqa: T201 - the worker logs it
        found = Refusal(failure=Failure(code=FailureCode.CORRUPT, message=_DAMAGED))
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _require_readable(source: _Source) -> None:
    """Raise OSError where a file is there and cannot be read: that says nothing about the video."""
    if not source.is_remote:
        os.close(os.open(source.address, os.O_RDONLY))


def _open(source: _Source) -> InputContainer:
    options = {
        "protocol_whitelist": PROTOCOLS if source.is_remote else "file",
        "format_whitelist": DEMUXERS[source.demuxer],
        "codec_whitelist": CODEC_WHITELIST,
        "max_streams": str(MAX_STREAMS),
        "max_pixels": str(MAX_PIXELS),
    }
    try:
        # What was typed in another encoding is only shown, and never worth a refusal.
        return av.open(source.address, format=source.demuxer, options=options, metadata_errors="replace")
    except MemoryError as error:
        # What libavformat says of one stream more than `max_streams`.
        raise _too_many_streams() from error


def _too_many_streams() -> GiveUpError:
    return GiveUpError(
        FailureCode.TOO_MANY_STREAMS,
        f"The file holds more than {MAX_TRACKS} tracks, or {MAX_STREAMS} with its attachments. "
        "Export it with one video and one audio track.",
    )


def _probe(source: _Source, max_duration: int, memory_bytes: int) -> Probe:
    tracks, picture = _find_tracks(source)
    # What no encode could hold is refused before anything is planned.
    fitting_threads(picture.bytes, memory_bytes, 1)
    with _open(source) as container:
        timeline = scan(container, tracks.video_index, tracks.audio_index)
    return _assemble(source.demuxer, tracks, picture, timeline, max_duration)


def _find_tracks(source: _Source) -> tuple[_Tracks, _Picture]:
    """The best track of pictures of which one can be decoded, and what goes with it."""
    refused: GiveUpError | None = None
    for number in range(_PICTURES_TRIED):
        with _open(source) as container:
            if count_tracks(container) > MAX_TRACKS:
                raise _too_many_streams()
            videos = rank_pictures(container)
            if number and (number >= len(videos) or codec_of(videos[number]) not in VIDEO_CODECS):
                break
            video = _accepted(videos, number)
            try:
                picture = _look_at(container, video)
                return _tracks_with(container, video, remote=source.is_remote), picture
            except GiveUpError as error:
                if error.failure.code is not FailureCode.CORRUPT:
                    raise
                refused = refused or error
    raise refused or GiveUpError(FailureCode.CORRUPT, _DAMAGED)


def _accepted(videos: list[VideoStream], number: int) -> VideoStream:
    if not videos:
        raise GiveUpError(FailureCode.NO_VIDEO_STREAM, "The file holds no moving picture. Upload one that does.")
    video = videos[number]
    if codec_of(video) not in VIDEO_CODECS:
        raise GiveUpError(
            FailureCode.UNSUPPORTED_FORMAT,
            "The picture is in a codec that is not accepted. Export the video as H.264 and upload that.",
        )
    _require_dimensions(video.codec_context.width, video.codec_context.height)
    return video


def _tracks_with(container: InputContainer, video: VideoStream, *, remote: bool) -> _Tracks:
    found = rank_sound(container, video)
    accepted = [stream for stream in found if codec_of(stream) in AUDIO_CODECS]
    audio, warnings = first_readable(container, accepted, remote=remote)
    captions, left_out = find_tracks(container.streams.subtitles)
    return _Tracks(
        video_index=video.index,
        audio_index=None if audio is None else audio.index,
        video_codec=video.codec_context.codec.canonical_name,
        audio_codec=None if audio is None else codec_of(audio),
        declared_rate=video.base_rate,
        captions=captions,
        captions_left_out=left_out,
        warnings=[_UNKNOWN_AUDIO] if found and not accepted else warnings,
    )


def _require_dimensions(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise GiveUpError(
            FailureCode.DIMENSIONS_TOO_LARGE,
            f"The picture has {width}x{height} pixels, more than {MAX_SIDE} on a side or {MAX_PIXELS:,} in all. "
            "Export a smaller one.",
        )


def _look_at(container: InputContainer, video: VideoStream) -> _Picture:
    first: VideoFrame | None = None
    interlaced: list[bool] = []
    for count, packet in enumerate(container.demux(video)):
        if packet.size == 0 and packet.pts is not None:
            # Theora's way to say "as before"; a decoder would take it for the end.
            continue
        try:
            for frame in packet.decode():
                first = first or frame
                interlaced.append(frame.interlaced_frame)
        except InvalidDataError:
            # Streams that were cut out of a broadcast begin with what cannot be decoded yet.
            continue
        if len(interlaced) >= _FRAMES_LOOKED_AT or count > _PACKETS_UNTIL_A_PICTURE:
            break
    if first is None:
        raise GiveUpError(FailureCode.CORRUPT, _DAMAGED)
    _require_dimensions(first.width, first.height)
    width, height = _displayed(first, video.sample_aspect_ratio)
    return _Picture(
        width=width,
        height=height,
        interlaced=2 * sum(interlaced) > len(interlaced),
        hdr=int(first.color_trc) in _HDR_TRANSFERS,
        bytes=first.width * first.height * first.format.padded_bits_per_pixel // 8,
    )


def _displayed(frame: VideoFrame, pixel: Fraction | None) -> tuple[int, int]:
    """Size on a screen of square pixels. Wide pixels widen the picture, tall ones heighten it: no detail is lost."""
    shape = pixel if pixel and Fraction(1, _WIDEST_PIXEL) <= pixel <= _WIDEST_PIXEL else Fraction(1)
    width, height = frame.width * max(shape, Fraction(1)), frame.height / min(shape, Fraction(1))
    if round(frame.rotation / 90) % 2:
        width, height = height, width
    return max(1, round(width)), max(1, round(height))


def _assemble(demuxer: str, tracks: _Tracks, picture: _Picture, timeline: Timeline, max_duration: int) -> Probe:
    if timeline.video.start is None:
        raise GiveUpError(FailureCode.CORRUPT, _DAMAGED)
    intervals = timeline.intervals()
    spread = sum(intervals)
    measured = Fraction(len(intervals) / spread) if spread else tracks.declared_rate
    rate = choose_rate(tracks.declared_rate, measured, median(intervals) if intervals else None)
    start = timeline.container_start
    origin = timeline.video.start - math.floor((timeline.video.start - start) * rate + Fraction(1, 1000)) / float(rate)
    end = max(timeline.video.end, max(timeline.starts) + 1 / float(rate) if len(intervals) < 1 else 0)
    sound = timeline.audio.packets > 0
    pad = timeline.audio.end - end if sound and timeline.audio.end - end > _LONG_SOUND_SECONDS else 0.0
    duration = end - origin + pad if timeline.steady else (timeline.video.packets / float(rate))
    _require_duration(duration, max_duration)
    facts = SourceFacts(
        container=demuxer,
        duration_seconds=round(duration, 6),
        width=picture.width,
        height=picture.height,
        frame_rate=round(float(measured or rate), 3),
        video_codec=tracks.video_codec,
        audio_codec=tracks.audio_codec if sound else None,
    )
    return Probe(
        facts=facts,
        demuxer=demuxer,
        video_index=tracks.video_index,
        audio_index=tracks.audio_index if sound else None,
        rate_numerator=rate.numerator,
        rate_denominator=rate.denominator,
        origin=origin,
        grid=timeline.steady,
        interlaced=picture.interlaced,
        hdr=picture.hdr,
        pad=pad if timeline.steady else 0.0,
        start=start,
        keys=[(shown - start, decoded - start) for shown, decoded in timeline.keys.moments],
        key_gap=timeline.keys.widest,
        obstacle=_obstacle(demuxer, timeline),
        captions=tracks.captions,
        captions_left_out=tracks.captions_left_out,
        picture_bytes=picture.bytes,
        warnings=tracks.warnings,
    )


def _obstacle(demuxer: str, timeline: Timeline) -> str:
    if demuxer not in SEEKABLE:
        return f"frames of {demuxer} files cannot be found exactly"
    if not timeline.steady:
        return "timestamps jump"
    if timeline.untimed:
        return "pictures lack timestamps"
    if timeline.changes:
        return "the picture's parameters change on the way"
    return ""


def _require_duration(duration: float, max_duration: int) -> None:
    if duration > max_duration:
        raise GiveUpError(
            FailureCode.TOO_LONG,
            f"The video lasts {duration:.0f} seconds, more than the {max_duration} that are accepted. "
            "Cut it into parts.",
        )


if __name__ == "__main__":
    main()
