"""The video's record: what the table holds of it, its states, and the moves between them."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from msgspec import Meta, Struct, field

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class Status(StrEnum):
    """Where a video stands. `DELETED` stays in the table until its objects are gone; clients get a 404."""

    UPLOADING = "uploading"
    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"


# Deleted records lie together in the owners' index, under a name that no listing asks for.
DELETED_OWNER = "#deleted"

# The object's arrival is the job, and it may overtake the API's own write: hence uploading -> processing.
MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.UPLOADING: frozenset({Status.QUEUED, Status.PROCESSING, Status.DELETED}),
        Status.QUEUED: frozenset({Status.PROCESSING, Status.DELETED}),
        # Back to those that wait, where its owner has had its share.
        Status.PROCESSING: frozenset({Status.READY, Status.FAILED, Status.QUEUED, Status.DELETED}),
        Status.READY: frozenset({Status.DELETED}),
        Status.FAILED: frozenset({Status.QUEUED, Status.DELETED}),
        Status.DELETED: frozenset(),
    }
)


def sources_of(target: Status) -> frozenset[Status]:
    """The states from which a video may move to `target`."""
    return frozenset(source for source, targets in MOVES.items() if target in targets)


class Stage(StrEnum):
    """What the worker is doing with a `processing` video."""

    DOWNLOAD = "download"
    PROBE = "probe"
    TRANSCODE = "transcode"
    PUBLISH = "publish"


class FailureCode(StrEnum):
    """Why a video is `failed`. Stable: clients branch on it."""

    EMPTY_FILE = "empty_file"
    NOT_A_VIDEO = "not_a_video"
    ENCRYPTED = "encrypted"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNSUPPORTED_DOLBY_VISION = "unsupported_dolby_vision"
    NO_VIDEO_STREAM = "no_video_stream"
    DIMENSIONS_TOO_LARGE = "dimensions_too_large"
    TOO_MANY_STREAMS = "too_many_streams"
    TOO_LONG = "too_long"
    TOO_MANY_FRAMES = "too_many_frames"
    SOURCE_TOO_LARGE = "source_too_large"
    CORRUPT = "corrupt"
    INCOMPLETE = "incomplete"
    LIMIT_EXCEEDED = "limit_exceeded"
    PROCESSING_FAILED = "processing_failed"


class Failure(Struct, frozen=True, kw_only=True):
    """A code for programs, a sentence for the person who has to act on it."""

    code: FailureCode
    message: str


class WarningCode(StrEnum):
    """Why a `ready` video is not all that its original promised. Stable: clients branch on it."""

    SOURCE_TRUNCATED = "source_truncated"
    FRAMES_MISSING = "frames_missing"
    AUDIO_UNREADABLE = "audio_unreadable"
    AUDIO_DAMAGED = "audio_damaged"


class VideoWarning(Struct, frozen=True, kw_only=True):
    """A code for programs, a sentence for people: what of the original is not in a `ready` video, and why."""

    code: WarningCode
    message: str


class Rendition(Struct, frozen=True, kw_only=True):
    """One encoded size of a video. `bitrate` is the measured average in bits a second; `key` its media playlist."""

    name: str
    width: int
    height: int
    bitrate: int
    size_bytes: int
    codecs: str
    key: str


class Caption(Struct, frozen=True, kw_only=True):
    """A track of text as WebVTT at `key`. `language` is a BCP 47 tag, `und` where the source names none."""

    language: str
    label: str
    key: str


class AudioRole(StrEnum):
    """What an audio track is there for: the video as it is, talk about it, or a description for the blind."""

    MAIN = "main"
    COMMENTARY = "commentary"
    DESCRIPTION = "description"


class Audio(Struct, frozen=True, kw_only=True):
    """An audio track that players can switch to. `language` is a BCP 47 tag, `und` where the source names none."""

    language: str
    label: str
    role: AudioRole
    default: bool


class Playback(Struct, frozen=True, kw_only=True):
    """Keys of what a player opens: HLS multivariant playlist, DASH manifest, MP4, poster, thumbnails, captions.

    `audio` is what HLS and DASH offer, the default first; the MP4 has that one alone.
    What older workers did not write is None, or empty.
    """

    hls_key: str
    mp4_key: str
    poster_key: str
    mp4_size_bytes: int
    dash_key: str | None = None
    thumbnails_key: str | None = None
    captions: list[Caption] = field(default_factory=list[Caption])
    audio: list[Audio] = field(default_factory=list[Audio])


class SourceFacts(Struct, frozen=True, kw_only=True):
    """What the probe found in the original, as displayed: rotation and pixel shape are already applied."""

    container: str
    duration_seconds: float
    width: int
    height: int
    frame_rate: float
    video_codec: str
    audio_codec: str | None = None


class Way(StrEnum):
    """How a video is transcoded: by one worker, or as chunks by several."""

    ONE_PASS = "one_pass"  # noqa: S105 - no password
    CHUNKS = "chunks"


class EncodePlan(Struct, frozen=True, kw_only=True):
    """How a video is transcoded, and why not in chunks where it is not. `plan_id` names the set of chunks.

    It stays where chunks were given up, so that those that are still under way know themselves to be of no use.
    """

    way: Way
    reason: str = ""
    plan_id: str = ""
    chunks: int = 0


class Lease(Struct, frozen=True, kw_only=True):
    """Who works on a `processing` video, and until when nobody else may. `expires_at` is in epoch seconds."""

    token: str
    message_id: str
    expires_at: float


class DirectUpload(Struct, frozen=True, kw_only=True):
    """What is needed to go on with an upload that goes to the bucket in parts.

    `completing_since` is when somebody last began to put the parts together, in epoch seconds.
    """

    upload_id: str
    part_bytes: int
    completing_since: int | None = None


class Charge(Struct, frozen=True, kw_only=True):
    """What a video counts as in its owner's encoded minutes, and of which day."""

    day: str
    minutes: float


class Deletion(Struct, frozen=True, kw_only=True):
    """What a `deleted` record is kept for: its objects are removed at `purge_at`. Both moments are in epoch seconds."""

    former_owner: str | None = None
    deleted_at: int
    purge_at: int


class VideoRecord(Struct, kw_only=True):
    """One video as the videos table holds it.

    Timestamps are ISO 8601 in UTC; `expires_at` is in epoch seconds, for the table's time-to-live. `setback` is why the
    last attempt came to nothing, for the operator alone. `resent` is how often the workers' sweep found it forgotten in
    `processing`. `waits_until` is when, in epoch seconds, a video goes on that waits for its owner's next day; `charge`
    is what it counted as. `traceparent` is of the request that brought the video (W3C Trace Context).
    """

    video_id: str
    status: Status
    upload_date: str
    updated_at: str
    owner: str | None = None
    title: str = ""
    description: str = ""
    tags: list[str] = field(default_factory=list[str])
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    file_name: str = ""
    content_type: str = ""
    size_bytes: int | None = None
    expires_at: int | None = None
    direct: DirectUpload | None = None
    traceparent: str = ""
    stage: Stage | None = None
    progress: Fraction = 0.0
    lease: Lease | None = None
    attempts: int = 0
    failures: int = 0
    resent: int = 0
    setback: str = ""
    waits_until: float | None = None
    charge: Charge | None = None
    error: Failure | None = None
    warnings: list[VideoWarning] = field(default_factory=list[VideoWarning])
    source: SourceFacts | None = None
    plan: EncodePlan | None = None
    renditions: list[Rendition] = field(default_factory=list[Rendition])
    playback: Playback | None = None
    deletion: Deletion | None = None
    stage_seconds: dict[str, float] = field(default_factory=dict[str, float])


def new_video_id() -> str:
    return str(uuid.uuid4())


def is_video_id(text: str) -> bool:
    """Whether `text` is a UUID in its canonical form, the only one that keys and table items use."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def timestamp(moment: datetime | None = None) -> str:
    """`moment` (now, unless given) as the record writes it: ISO 8601, UTC, milliseconds, sortable as text."""
    utc = (moment or datetime.now(UTC)).astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
