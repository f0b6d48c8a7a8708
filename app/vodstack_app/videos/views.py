"""A video as clients see it."""

from typing import Annotated

from msgspec import Meta, Struct

from vodstack_app.videos.fields import DESCRIPTION_LIMIT, TAGS_LIMIT, TITLE_LIMIT
from vodstack_app.videos.listing import LIMIT
from vodstack_contracts.objects import DASH_MANIFEST, MP4, MULTIVARIANT_PLAYLIST, POSTER, THUMBNAILS, rendition_prefix
from vodstack_contracts.videos import (
    AudioRole,
    Caption,
    FailureCode,
    Rendition,
    Stage,
    Status,
    VideoRecord,
    WarningCode,
)

Id = Annotated[str, Meta(min_length=36, max_length=36, description="A UUID.")]
Title = Annotated[
    str,
    Meta(max_length=TITLE_LIMIT, description="What was sent; the original's file name where that is nothing."),
]
Description = Annotated[str, Meta(max_length=DESCRIPTION_LIMIT)]
Tags = Annotated[list[str], Meta(max_length=TAGS_LIMIT)]
Share = Annotated[float, Meta(ge=0, le=1)]
Pixels = Annotated[int, Meta(ge=1)]
Amount = Annotated[int, Meta(ge=0)]


class UploadedView(Struct, frozen=True, rename="camel"):
    """The answer to an upload."""

    video_id: Id


class FailureView(Struct, frozen=True, rename="camel"):
    """Why the video failed: a code for programs, a sentence for people."""

    code: FailureCode
    message: str


class WarningView(Struct, frozen=True, rename="camel"):
    """What of the original is not in a ready video, and why: a code for programs, a sentence for people."""

    code: WarningCode
    message: str


class SourceView(Struct, frozen=True, rename="camel"):
    """What was found in the original, as displayed."""

    container: str
    duration_seconds: Annotated[float, Meta(ge=0)]
    width: Pixels
    height: Pixels
    frame_rate: Annotated[float, Meta(ge=0)]
    video_codec: str
    audio_codec: str | None


class RenditionView(Struct, frozen=True, rename="camel"):
    """One size of the video. `name` is unique in it: `1080p` fills 1920x1080 in one direction, turned for portrait."""

    name: str
    width: Pixels
    height: Pixels
    bitrate: Amount
    size_bytes: Amount
    codecs: str
    url: str


class CaptionView(Struct, frozen=True, rename="camel"):
    """A track of text as WebVTT. `language` is a BCP 47 tag, `und` where the source names none."""

    language: str
    label: str
    url: str


class AudioView(Struct, frozen=True, rename="camel"):
    """An audio track that `hls` and `dash` offer. `language` is a BCP 47 tag, `und` where the source names none."""

    language: str
    label: str
    role: AudioRole
    default: bool


class PlaybackView(Struct, frozen=True, rename="camel"):
    """What a player opens. There is no `dash` where the worker wrote none.

    `hls` and `dash` offer all of `captions` and `audio`, `mp4` the default audio alone.
    """

    hls: str
    dash: str | None
    mp4: str
    poster: str
    captions: list[CaptionView]
    audio: list[AudioView]


class VideoView(Struct, frozen=True, rename="camel"):
    """A video. What is not known yet is null or empty."""

    video_id: Id
    title: Title
    description: Description
    tags: Tags
    url: str | None
    metadata: dict[str, str]
    upload_date: str
    status: Status
    progress: Share
    stage: Stage | None
    error: FailureView | None
    warnings: list[WarningView]
    source: SourceView | None
    renditions: list[RenditionView]
    playback: PlaybackView | None
    thumbnails: list[str]
    analysis: dict[str, str] | None


class SummaryView(Struct, frozen=True, rename="camel"):
    """A video in a list: without its renditions, and without the URL that does not last."""

    video_id: Id
    title: Title
    description: Description
    tags: Tags
    metadata: dict[str, str]
    upload_date: str
    status: Status
    progress: Share
    stage: Stage | None
    error: FailureView | None
    warnings: list[WarningView]
    source: SourceView | None
    playback: PlaybackView | None


class PageView(Struct, frozen=True, rename="camel"):
    """Some of the videos, newest first. `nextCursor` leads to the next ones; null ends the list."""

    videos: Annotated[list[SummaryView], Meta(max_length=LIMIT)]
    next_cursor: str | None


def view_video(record: VideoRecord, *, base_url: str) -> VideoView:
    """The record for clients that reach the API at `base_url`, which ends without a slash; without its `url`."""
    playback_url = _playback_url(record, base_url)
    ready = record.status is Status.READY
    return VideoView(
        video_id=record.video_id,
        title=visible_title(record),
        description=record.description,
        tags=record.tags,
        url=None,
        metadata=record.metadata,
        upload_date=record.upload_date,
        status=record.status,
        progress=record.progress,
        stage=visible_stage(record),
        error=visible_failure(record),
        warnings=visible_warnings(record),
        source=_view_source(record),
        renditions=[_view_rendition(record, rung, playback_url) for rung in record.renditions] if ready else [],
        playback=_view_playback(record, playback_url),
        thumbnails=_thumbnails(record, playback_url),
        analysis=None,
    )


def summarise_video(record: VideoRecord, *, base_url: str) -> SummaryView:
    return SummaryView(
        video_id=record.video_id,
        title=visible_title(record),
        description=record.description,
        tags=record.tags,
        metadata=record.metadata,
        upload_date=record.upload_date,
        status=record.status,
        progress=record.progress,
        stage=visible_stage(record),
        error=visible_failure(record),
        warnings=visible_warnings(record),
        source=_view_source(record),
        playback=_view_playback(record, _playback_url(record, base_url)),
    )


def _playback_url(record: VideoRecord, base_url: str) -> str:
    return f"{base_url}/videos/{record.video_id}/playback"


def visible_title(record: VideoRecord) -> str:
    """What the client calls the video; where it has said nothing, or taken it back, the original's file name."""
    return record.title or record.file_name


def visible_stage(record: VideoRecord) -> Stage | None:
    return record.stage if record.status is Status.PROCESSING else None


def visible_failure(record: VideoRecord) -> FailureView | None:
    if record.status is not Status.FAILED or record.error is None:
        return None
    return FailureView(code=record.error.code, message=record.error.message)


def visible_warnings(record: VideoRecord) -> list[WarningView]:
    if record.status is not Status.READY:
        return []
    return [WarningView(code=warning.code, message=warning.message) for warning in record.warnings]


def _view_source(record: VideoRecord) -> SourceView | None:
    facts = record.source
    if facts is None:
        return None
    return SourceView(
        container=facts.container,
        duration_seconds=facts.duration_seconds,
        width=facts.width,
        height=facts.height,
        frame_rate=facts.frame_rate,
        video_codec=facts.video_codec,
        audio_codec=facts.audio_codec,
    )


def _view_rendition(record: VideoRecord, rendition: Rendition, playback_url: str) -> RenditionView:
    return RenditionView(
        name=rendition.name,
        width=rendition.width,
        height=rendition.height,
        bitrate=rendition.bitrate,
        size_bytes=rendition.size_bytes,
        codecs=rendition.codecs,
        url=f"{playback_url}/{rendition.key.removeprefix(rendition_prefix(record.video_id))}",
    )


def _view_playback(record: VideoRecord, playback_url: str) -> PlaybackView | None:
    if record.status is not Status.READY or record.playback is None:
        return None
    return PlaybackView(
        hls=f"{playback_url}/{MULTIVARIANT_PLAYLIST}",
        dash=f"{playback_url}/{DASH_MANIFEST}" if record.playback.dash_key else None,
        mp4=f"{playback_url}/{MP4}",
        poster=f"{playback_url}/{POSTER}",
        captions=[_view_caption(record, caption, playback_url) for caption in record.playback.captions],
        audio=[
            AudioView(language=audio.language, label=audio.label, role=audio.role, default=audio.default)
            for audio in record.playback.audio
        ],
    )


def _view_caption(record: VideoRecord, caption: Caption, playback_url: str) -> CaptionView:
    path = caption.key.removeprefix(rendition_prefix(record.video_id))
    return CaptionView(language=caption.language, label=caption.label, url=f"{playback_url}/{path}")


def _thumbnails(record: VideoRecord, playback_url: str) -> list[str]:
    is_shown = record.status is Status.READY and record.playback and record.playback.thumbnails_key
    return [f"{playback_url}/{THUMBNAILS}"] if is_shown else []
