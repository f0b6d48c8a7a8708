"""The tracks of an original that are used: of several, the ones that were meant and can be decoded."""

from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vodstack_contracts.videos import FailureCode, VideoWarning, WarningCode
from vodstack_worker.audio_check import first_readable, further_readable
from vodstack_worker.audio_tracks import MOST_AUDIO, AudioChoice
from vodstack_worker.caption_tracks import CaptionTrack, find_tracks
from vodstack_worker.codecs import AUDIO_CODECS, VIDEO_CODECS
from vodstack_worker.errors import GiveUpError
from vodstack_worker.frame_samples import DAMAGED, FrameSamples, require_dimensions
from vodstack_worker.probe_source import Source, open_source, too_many_streams
from vodstack_worker.probed import MAX_TRACKS
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

_PICTURES_TRIED = 4
_UNKNOWN_AUDIO = VideoWarning(
    code=WarningCode.AUDIO_UNREADABLE,
    message="The audio is in a codec that is not accepted, so the video has no sound. "
    "Export the video with AAC audio and upload that.",
)


@dataclass(frozen=True, kw_only=True)
class ChosenTracks:
    """The streams that are used, as the container declares them; and others that could be used as well."""

    video_index: int
    audios: list[tuple[Sound, AudioChoice]]
    video_codec: str
    declared_rate: Fraction | None
    captions: list[CaptionTrack]
    captions_left_out: int
    declared_seconds: float
    warnings: list[VideoWarning]
    other_videos: list[int]
    other_audios: list[int]


def choose_tracks(source: Source) -> tuple[ChosenTracks, FrameSamples]:
    """The best track of pictures of which one can be decoded, and what goes with it."""
    refused: GiveUpError | None = None
    for number in range(_PICTURES_TRIED):
        with open_source(source) as container:
            if count_tracks(container) > MAX_TRACKS:
                raise too_many_streams()
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


def _tracks_with(container: InputContainer, video: VideoStream, *, remote: bool) -> ChosenTracks:
    audios, warnings = _find_audio(container, video, remote=remote)
    captions, left_out = find_tracks(container.streams.subtitles)
    # Of the whole container: tracks that are not used may last longer.
    all_used = count_tracks(container) == 1 + len(audios)
    used = {video.index, *(sound.index for sound, _ in audios)}
    pictures = [stream.index for stream in rank_pictures(container) if codec_of(stream) in VIDEO_CODECS]
    heard = [stream.index for stream in container.streams.audio if codec_of(stream) in AUDIO_CODECS]
    return ChosenTracks(
        video_index=video.index,
        audios=audios,
        video_codec=video.codec_context.codec.canonical_name,
        declared_rate=video.base_rate,
        captions=captions,
        captions_left_out=left_out,
        declared_seconds=(container.duration or 0) / av.time_base if all_used else 0.0,
        warnings=warnings,
        other_videos=[index for index in pictures if index not in used],
        other_audios=[index for index in heard if index not in used],
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
