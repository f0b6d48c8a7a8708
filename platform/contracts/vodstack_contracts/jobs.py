"""What comes out of the queues, as bytes off the wire, and what it means.

The arrivals queue carries the bucket's own event notifications. Their form:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
The chunks queue carries messages of our own.
"""

from typing import Annotated
from urllib.parse import quote_plus, unquote_plus

import msgspec
from msgspec import Meta, Struct

from vodstack_contracts.errors import MalformedMessageError, UnknownKeyError
from vodstack_contracts.objects import original_key, video_of_original
from vodstack_contracts.videos import is_video_id

_TEST_EVENT = "s3:TestEvent"
_CREATED = "ObjectCreated:"


class Arrival(Struct, frozen=True, kw_only=True):
    """An original has arrived in the bucket: transcode it."""

    video_id: str
    bucket: str
    key: str
    size_bytes: int | None = None


class ChunkJob(
    Struct, frozen=True, kw_only=True, tag="chunk", tag_field="job", rename="camel", forbid_unknown_fields=True
):
    """One piece of a plan is to be encoded: chunks are counted from 0, and the sound comes after the last."""

    video_id: str
    plan_id: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
    number: Annotated[int, Meta(ge=0)]


class _Bucket(Struct):
    name: str


class _Object(Struct):
    key: str
    size: int | None = None


class _Entity(Struct):
    bucket: _Bucket
    object: _Object


class _Event(Struct, rename="camel"):
    event_name: str
    s3: _Entity


class _Notification(Struct, omit_defaults=True):
    records: list[_Event] = msgspec.field(name="Records", default_factory=list[_Event])
    event: str | None = msgspec.field(name="Event", default=None)


_decoder = msgspec.json.Decoder(_Notification)
_chunk_decoder = msgspec.json.Decoder(ChunkJob)


def decode_arrivals(body: str | bytes) -> list[Arrival]:
    """The arrivals that a message of the arrivals queue tells of.

    None of them for the test event that S3 sends when the notification is set up, and for events that are no
    creation. Raises MalformedMessageError.
    """
    try:
        notification = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessageError(f"not an S3 event notification: {error}") from error
    if notification.event == _TEST_EVENT:
        return []
    if not notification.records:
        raise MalformedMessageError("not an S3 event notification: neither `Records` nor the test event")
    try:
        return [_arrival(event.s3) for event in notification.records if event.event_name.startswith(_CREATED)]
    except UnknownKeyError as error:
        raise MalformedMessageError(f"an event from outside the originals: {error}") from error


def encode_arrival(video_id: str, bucket: str, size_bytes: int | None = None) -> str:
    """The message by which vodstack itself sends an arrival again, in the bucket's own form."""
    entity = _Entity(bucket=_Bucket(bucket), object=_Object(quote_plus(original_key(video_id), safe="/"), size_bytes))
    notification = _Notification(records=[_Event(event_name=f"{_CREATED}Resent", s3=entity)])
    return msgspec.json.encode(notification).decode()


def decode_chunk(body: str | bytes) -> ChunkJob:
    """The job that a message of the chunks queue tells of. Raises MalformedMessageError."""
    try:
        job = _chunk_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessageError(f"not a chunk job: {error}") from error
    if not is_video_id(job.video_id):
        raise MalformedMessageError("not a chunk job: its `videoId` is no UUID")
    return job


def encode_chunk(job: ChunkJob) -> str:
    return msgspec.json.encode(job).decode()


def _arrival(entity: _Entity) -> Arrival:
    key = unquote_plus(entity.object.key)
    return Arrival(video_id=video_of_original(key), bucket=entity.bucket.name, key=key, size_bytes=entity.object.size)
