"""A direct upload as clients ask for it and see it."""

import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from vodstack_app.errors import InvalidFieldError
from vodstack_app.uploads.direct import Progress, Source
from vodstack_app.uploads.plan import MOST_PARTS
from vodstack_app.videos.fields import (
    DESCRIPTION_LIMIT,
    METADATA_ENTRIES_LIMIT,
    TAG_LIMIT,
    TAGS_LIMIT,
    TITLE_LIMIT,
    VideoFields,
    read_fields,
    require_no_comma,
)
from vodstack_app.videos.form import FILE_NAME_LIMIT_BYTES, sanitise_file_name
from vodstack_app.videos.views import Amount, Id
from vodstack_contracts.videos import timestamp

FILE_NAME_LIMIT = FILE_NAME_LIMIT_BYTES
VIDEO_TYPE = r"(video/[A-Za-z0-9][A-Za-z0-9.+_-]{0,100}|application/octet-stream)"
Tag = Annotated[str, Meta(max_length=TAG_LIMIT)]
PartNumber = Annotated[int, Meta(ge=1, le=MOST_PARTS)]
# URLs in one answer; a long upload asks again.
URLS_LIMIT = 100


class StartUpload(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The file that is to be sent, and what is said of the video."""

    file_name: Annotated[str, Meta(min_length=1, max_length=FILE_NAME_LIMIT)]
    size_bytes: Annotated[int, Meta(ge=1)]
    content_type: str
    title: Annotated[str, Meta(max_length=TITLE_LIMIT)] = ""
    description: Annotated[str, Meta(max_length=DESCRIPTION_LIMIT)] = ""
    tags: Annotated[list[Tag], Meta(max_length=TAGS_LIMIT)] = field(default_factory=list[str])
    metadata: Annotated[dict[str, str], Meta(max_length=METADATA_ENTRIES_LIMIT)] = field(default_factory=dict[str, str])

    def source(self) -> Source:
        """Raises InvalidFieldError."""
        if not re.fullmatch(VIDEO_TYPE, self.content_type):
            raise InvalidFieldError(
                "Send a type of video, such as video/mp4, or application/octet-stream.", field="contentType"
            )
        return Source(sanitise_file_name(self.file_name), self.content_type, self.size_bytes)

    def fields(self) -> VideoFields:
        """The same as a form's would be. Raises InvalidFieldError."""
        require_no_comma(self.tags)
        texts = {"title": self.title, "description": self.description, "tags": ",".join(self.tags)}
        parts = [(name, text.encode()) for name, text in texts.items()]
        return read_fields([*parts, ("metadata", msgspec.json.encode(self.metadata))])


class PartView(Struct, frozen=True, rename="camel"):
    """A part that has not arrived: PUT its bytes, exactly so many, to its URL."""

    number: PartNumber
    size_bytes: Annotated[int, Meta(ge=1)]
    url: str


class UploadView(Struct, frozen=True, rename="camel"):
    """A direct upload. `missing` names the next parts to send, not all of a long upload's."""

    video_id: Id
    complete: bool
    size_bytes: Amount
    part_size_bytes: Amount
    part_count: Annotated[int, Meta(ge=0, le=MOST_PARTS)]
    arrived: Annotated[list[int], Meta(max_length=MOST_PARTS)]
    missing: Annotated[list[PartView], Meta(max_length=URLS_LIMIT)]
    expires_at: str | None


def view_upload(progress: Progress, missing: list[PartView]) -> UploadView:
    record, plan = progress.record, progress.plan
    lapses = record.expires_at if plan else None
    absent = set(progress.missing)
    return UploadView(
        video_id=record.video_id,
        complete=plan is None,
        size_bytes=record.size_bytes or 0,
        part_size_bytes=plan.part_bytes if plan else 0,
        part_count=plan.count if plan else 0,
        arrived=sorted(number for number in progress.arrived if number not in absent),
        missing=missing,
        expires_at=timestamp(datetime.fromtimestamp(lapses, UTC)) if lapses else None,
    )
