"""Changes to what is said of a video, sent as a JSON merge patch (RFC 7396)."""

from collections.abc import Callable
from itertools import islice
from typing import Any, cast

import msgspec
from litestar import Request

from vodstack_app.errors import (
    ConflictError,
    FieldFault,
    InvalidFieldError,
    MalformedPatchError,
    UnsupportedTypeError,
)
from vodstack_app.identity import Identity
from vodstack_app.videos import fields
from vodstack_app.videos.body import require_plain
from vodstack_app.videos.records import Records
from vodstack_contracts.videos import VideoRecord

MERGE_PATCH = "application/merge-patch+json"
MEDIA_TYPES = (MERGE_PATCH, "application/json")
PATCH_LIMIT_BYTES = 256 * 1024
ATTEMPTS = 5
_SHOWN_NAME_LIMIT = 100
# Of more names than there are fields some are wrong; that the first of them are told is enough.
_READ_NAMES_LIMIT = 10

Patch = dict[str, Any]


def require_patch(request: Request[Any, Any, Any]) -> None:
    """Raise UnsupportedEncodingError or UnsupportedTypeError for a body that is no patch, before it is read."""
    require_plain(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise UnsupportedTypeError(f"Send {MERGE_PATCH}.")


def read_patch(body: bytes) -> Patch:
    """The fields to change, each known and of the right type.

    Raises MalformedPatchError, or InvalidFieldError, which names every field at fault.
    """
    try:
        patch = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPatchError("Send a JSON object with the fields to change.") from error
    return _checked(patch)


async def edit(records: Records, video_id: str, identity: Identity, patch: Patch) -> VideoRecord:
    """The record as the patch makes it. Raises NotFoundError, InvalidFieldError or ConflictError."""
    for _ in range(ATTEMPTS):
        record = await records.find(video_id, identity)
        changes = merge(record, patch)
        if not changes:
            return record
        if edited := await records.edit(record, changes):
            return edited
    raise ConflictError("The video's metadata is being changed by others. Look at it, and send your change again.")


def merge(record: VideoRecord, patch: Patch) -> dict[str, object]:
    """What the patch changes of the record. Raises InvalidFieldError."""
    changes = dict(patch)
    if "metadata" in patch:
        changes["metadata"] = _merge_metadata(record.metadata, patch["metadata"])
        fields.require_metadata(changes["metadata"])
    return {name: value for name, value in changes.items() if getattr(record, name) != value}


def _merge_metadata(metadata: dict[str, str], patch: dict[str, str | None] | None) -> dict[str, str]:
    if patch is None:
        return {}
    merged: dict[str, str | None] = {**metadata, **patch}
    return {name: value for name, value in merged.items() if value is not None}


def _checked(patch: Patch) -> Patch:
    checked: Patch = {}
    faults: list[FieldFault] = []
    for name, value in islice(patch.items(), _READ_NAMES_LIMIT):
        try:
            checked[name] = _read(name, value)
        except InvalidFieldError as error:
            faults += error.faults
    if faults:
        raise InvalidFieldError(" ".join(f"{fault.field}: {fault.detail}" for fault in faults), faults=faults)
    return checked


def _read(name: str, value: object) -> object:
    if name not in _READERS:
        known = ", ".join(_READERS)
        raise InvalidFieldError(f"There is no such field to change; there are {known}.", field=name[:_SHOWN_NAME_LIMIT])
    return _READERS[name](value)


def _read_title(value: object) -> str:
    return fields.require_text("title", _text("title", value), fields.TITLE_LIMIT)


def _read_description(value: object) -> str:
    return fields.require_text("description", _text("description", value), fields.DESCRIPTION_LIMIT)


def _text(name: str, value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidFieldError("Send a string, or null to empty the field.", field=name)
    return value or ""


def _read_tags(value: object) -> list[str]:
    members = cast("list[object]", value) if isinstance(value, list) else None
    if value is not None and (members is None or not all(isinstance(member, str) for member in members)):
        raise InvalidFieldError("Send a list of strings, or null to empty the field.", field="tags")
    words = cast("list[str]", members or [])
    fields.require_no_comma(words)
    return fields.require_tags(words)


def _read_metadata(value: object) -> dict[str, str | None] | None:
    if value is None:
        return None
    try:
        return msgspec.convert(value, dict[str, str | None])
    except msgspec.ValidationError as error:
        detail = "Send an object whose values are strings, or null for an entry to remove."
        raise InvalidFieldError(detail, field="metadata") from error


_READERS: dict[str, Callable[[object], object]] = {
    "title": _read_title,
    "description": _read_description,
    "tags": _read_tags,
    "metadata": _read_metadata,
}
