"""The caged process that opens an original: prints a Probe, or a Refusal, as JSON.

`python -I -m vodstack_worker.probe_entry CAGE DEMUXER MAX_DURATION SOURCE`, in the folder that holds the source, unless
that is an address at which the worker serves it.
"""

import os
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import av
import msgspec
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from vodstack_contracts.videos import Failure, FailureCode, SourceFacts, VideoWarning, WarningCode
from vodstack_worker.audio_check import first_readable, further_readable
from vodstack_worker.audio_tracks import MOST_AUDIO, AudioChoice
from vodstack_worker.caption_tracks import CaptionTrack, find_tracks
from vodstack_worker.codecs import AUDIO_CODECS, CODEC_WHITELIST, VIDEO_CODECS
from vodstack_worker.confine import PORT, confine, read_cage
from vodstack_worker.containers import DEMUXERS, PROTOCOLS, SEEKABLE
from vodstack_worker.errors import GiveUpError
from vodstack_worker.frame_samples import DAMAGED, FrameSamples, require_dimensions
from vodstack_worker.grid import make_grid
from vodstack_worker.jumps import Corrections
from vodstack_worker.late_imports import import_all
from vodstack_worker.memory import fitting_threads
from vodstack_worker.probed import MAX_PIXELS, MAX_STREAMS, MAX_TRACKS, AudioTrack, Probe, Refusal
from vodstack_worker.timeline import Timeline, measure, scan
from vodstack_worker.tracks import (
    Sound,
    codec_of,
    count_tracks,
    describe_sound,
    further_sound,
    name_sound,
    rank_pictures,
    rank_sound,
)
from vodstack_worker.truncation import warn_of_missing

_PICTURES_TRIED = 4
# So many corrections ffmpeg can look through at each packet without losing time over it.
_MOST_JUMPS = 500

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
    audios: list[tuple[Sound, AudioChoice]]
    video_codec: str
    declared_rate: Fraction | None
    captions: list[CaptionTrack]
    captions_left_out: int
    declared_seconds: float
    warnings: list[VideoWarning]


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
        found = Refusal(failure=Failure(code=FailureCode.CORRUPT, message=DAMAGED))
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
    tracks, samples = _find_tracks(source)
    # What no encode could hold is refused before anything is planned.
    fitting_threads(samples.bytes, memory_bytes, 1)
    with _open(source) as container:
        audio = [sound.index for sound, _ in tracks.audios]
        timeline = scan(container, tracks.video_index, audio, samples)
    fitting_threads(samples.bytes, memory_bytes, 1)
    return _assemble(source.demuxer, tracks, samples, timeline, max_duration)


def _find_tracks(source: _Source) -> tuple[_Tracks, FrameSamples]:
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
                samples = FrameSamples()
                samples.begin(container, video)
                return _tracks_with(container, video, remote=source.is_remote), samples
            except GiveUpError as error:
                if error.failure.code is not FailureCode.CORRUPT:
                    raise
                refused = refused or error
    raise refused or GiveUpError(FailureCode.CORRUPT, DAMAGED)


def _accepted(videos: list[VideoStream], number: int) -> VideoStream:
    if not videos:
        raise GiveUpError(FailureCode.NO_VIDEO_STREAM, "The file holds no moving picture. Upload one that does.")
    video = videos[number]
    if codec_of(video) not in VIDEO_CODECS:
        raise GiveUpError(
            FailureCode.UNSUPPORTED_FORMAT,
            "The picture is in a codec that is not accepted. Export the video as H.264 and upload that.",
        )
    require_dimensions(video.codec_context.width, video.codec_context.height)
    return video


def _tracks_with(container: InputContainer, video: VideoStream, *, remote: bool) -> _Tracks:
    audios, warnings = _find_audio(container, video, remote=remote)
    captions, left_out = find_tracks(container.streams.subtitles)
    # Of the whole container: tracks that are not used may last longer.
    all_used = count_tracks(container) == 1 + len(audios)
    return _Tracks(
        video_index=video.index,
        audios=audios,
        video_codec=video.codec_context.codec.canonical_name,
        declared_rate=video.base_rate,
        captions=captions,
        captions_left_out=left_out,
        declared_seconds=(container.duration or 0) / av.time_base if all_used else 0.0,
        warnings=warnings,
    )


def _find_audio(
    container: InputContainer, video: VideoStream, *, remote: bool
) -> tuple[list[tuple[Sound, AudioChoice]], list[VideoWarning]]:
    """The default track and those that are offered beside it, and what the record has to say of them."""
    found = rank_sound(container, video)
    accepted = {stream.index: stream for stream in found if codec_of(stream) in AUDIO_CODECS}
    if found and not accepted:
        return [], [_UNKNOWN_AUDIO]
    first, warnings = first_readable(container, list(accepted.values()), remote=remote)
    if first is None:
        return [], warnings
    ranked = [first, *(stream for stream in accepted.values() if stream is not first)]
    further = [accepted[sound.index] for sound in further_sound([describe_sound(stream) for stream in ranked])]
    others, lost = further_readable(container, further, MOST_AUDIO - 1, remote=remote)
    sounds = [describe_sound(stream) for stream in (first, *others)]
    return list(zip(sounds, name_sound(sounds), strict=True)), [*warnings, *lost]


def _assemble(demuxer: str, tracks: _Tracks, samples: FrameSamples, timeline: Timeline, max_duration: int) -> Probe:
    video_corrections, audio_corrections = timeline.corrections(demuxer)
    video = measure(timeline.video, video_corrections)
    if video is None:
        raise GiveUpError(FailureCode.CORRUPT, DAMAGED)
    _require_mendable([video_corrections, *audio_corrections.values()])
    extents = {index: measure(track, audio_corrections[index]) for index, track in timeline.audio.items()}
    heard = {index: extent for index, extent in extents.items() if extent}
    default = next(iter(heard.values()), None)
    grid = make_grid(video, default, tracks.declared_rate)
    duration = max(video.end, video.last, default.end if default else video.end) - grid.origin
    duration = min(duration, float(grid.seconds)) if heard else duration
    _require_duration(duration, max_duration)
    width, height = samples.size
    choices = {sound.index: choice for sound, choice in tracks.audios}
    facts = SourceFacts(
        container=demuxer,
        duration_seconds=round(duration, 6),
        width=width,
        height=height,
        frame_rate=round(1 / video.mean_interval if video.mean_interval else float(grid.rate), 3),
        video_codec=tracks.video_codec,
        audio_codec=next((sound.codec for sound, _ in tracks.audios if sound.index in heard), None),
    )
    start = timeline.container_start
    found = max(video.end, video.last, *(audio.end for audio in heard.values())) - start
    return Probe(
        facts=facts,
        demuxer=demuxer,
        video_index=tracks.video_index,
        audios=[
            AudioTrack(
                index=index,
                seconds=extent.end - extent.start,
                packets=extent.packets,
                corrections=audio_corrections[index],
                choice=choices[index],
            )
            for index, extent in heard.items()
        ],
        grid=grid,
        corrections=video_corrections,
        packets=video.packets,
        field_size=samples.field_size,
        upright=samples.upright,
        colours=samples.colours,
        start=start,
        keys=[(shown - start, decoded - start) for shown, decoded in timeline.keys.moments],
        key_gap=timeline.keys.widest,
        obstacle=_obstacle(demuxer, timeline, corrected=bool(video_corrections.pieces)),
        captions=tracks.captions,
        captions_left_out=tracks.captions_left_out,
        picture_bytes=samples.bytes,
        warnings=[*tracks.warnings, *warn_of_missing(demuxer, tracks.declared_seconds, found)],
    )


def _obstacle(demuxer: str, timeline: Timeline, *, corrected: bool) -> str:
    if demuxer not in SEEKABLE:
        return f"frames of {demuxer} files cannot be found exactly"
    if corrected:
        return "timestamps jump"
    if timeline.untimed:
        return "frames lack timestamps"
    if timeline.changes:
        return "the video's parameters change on the way"
    return ""


def _require_mendable(corrections: list[Corrections]) -> None:
    if any(len(each.pieces) > _MOST_JUMPS for each in corrections):
        raise GiveUpError(
            FailureCode.CORRUPT,
            f"The video's timestamps jump more than {_MOST_JUMPS} times. Export the video again and upload that.",
        )


def _require_duration(duration: float, max_duration: int) -> None:
    if duration > max_duration:
        raise GiveUpError(
            FailureCode.TOO_LONG,
            f"The video lasts {duration:.0f} seconds, more than the {max_duration} that are accepted. "
            "Cut it into parts.",
        )


if __name__ == "__main__":
    main()
