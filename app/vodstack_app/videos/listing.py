"""The videos of one owner, newest first, a page at a time."""

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import Struct

from vodstack_app.aws import storage_errors
from vodstack_app.errors import InvalidCursorError
from vodstack_app.videos.records import OWNER_INDEX
from vodstack_contracts.items import from_attribute, from_item, to_attribute
from vodstack_contracts.videos import Status, VideoRecord, timestamp

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient

LIMIT_DEFAULT = 20
LIMIT = 100
# A filter may pass over many records: so many are looked at before a page ends, full or not.
RECORDS_A_QUERY = 200
QUERIES_A_PAGE = 10
# A page is made in one go, in which nobody else is served; videos with all that may be said of them are 60 KiB each.
PAGE_BYTES = 512 * 1024
RECORDS_A_TURN = 10
# The moment in milliseconds, the id: every text of this form is a place in the list.
CURSOR_PATTERN = "^[0-9]{13}[0-9a-f]{32}$"
_CURSOR = re.compile(CURSOR_PATTERN, re.ASCII)
_MOMENT_DIGITS = 13
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Cursor(Struct, frozen=True):
    """The last video of a page. It names no owner: whoever makes one up finds a place among their own."""

    upload_date: str
    video_id: str


class Wanted(Struct, frozen=True, kw_only=True):
    """What a client asks to see."""

    limit: int = LIMIT_DEFAULT
    after: Cursor | None = None
    status: str | None = None
    tag: str | None = None


class Page(Struct, frozen=True):
    """`following` leads to the next page; without it this is the last one."""

    records: list[VideoRecord]
    following: Cursor | None


def encode_cursor(cursor: Cursor) -> str:
    moment = datetime.fromisoformat(cursor.upload_date)
    return f"{(moment - _EPOCH) // _MILLISECOND:013}{UUID(cursor.video_id).hex}"


def decode_cursor(text: str) -> Cursor:
    """The cursor that `encode_cursor` made the text of. Raises InvalidCursorError for what it cannot have made."""
    if not _CURSOR.fullmatch(text):
        raise InvalidCursorError("Send `nextCursor` of the page before, as it came.", field="cursor")
    milliseconds, video_id = int(text[:_MOMENT_DIGITS]), UUID(text[_MOMENT_DIGITS:])
    return Cursor(timestamp(_EPOCH + milliseconds * _MILLISECOND), str(video_id))


class Listing:
    """Reads the owners' index, which is a moment behind the table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    async def read(self, owner: str, wanted: Wanted) -> Page:
        """A page of what is there; shorter than asked for where a filter passes over many."""
        arguments = _query(owner, wanted)
        found: list[VideoRecord] = []
        size_bytes = 0
        for _ in range(QUERIES_A_PAGE):
            with storage_errors():
                answer = await self._dynamodb.query(TableName=self._table, **arguments)
            last = answer.get("LastEvaluatedKey")
            for number, item in enumerate(answer["Items"]):
                if number % RECORDS_A_TURN == 0:
                    # Others have their turn: a megabyte of records takes some milliseconds.
                    await asyncio.sleep(0)
                record = from_item(item, VideoRecord)
                size_bytes += _text_bytes(record)
                if len(found) == wanted.limit or (found and size_bytes > PAGE_BYTES):
                    return Page(found, Cursor(found[-1].upload_date, found[-1].video_id))
                found.append(record)
            if not last:
                return Page(found, None)
            arguments["ExclusiveStartKey"] = last
        return Page(found, _cursor(arguments["ExclusiveStartKey"]))


def _text_bytes(record: VideoRecord) -> int:
    """What its client has said of a video: all else in a record is small."""
    texts = (record.title, record.description, *record.tags, *record.metadata, *record.metadata.values())
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def _cursor(key: Mapping[str, Any]) -> Cursor:
    return Cursor(from_attribute(key["upload_date"]), from_attribute(key["video_id"]))


def _query(owner: str, wanted: Wanted) -> dict[str, Any]:
    names = {"#owner": "owner", "#status": "status", "#end": "expires_at"}
    values: dict[str, object] = {":owner": owner, ":now": int(time.time())}
    filters = ["(attribute_not_exists(#end) OR #end > :now)"]
    if wanted.status is None:
        filters.append("#status <> :deleted")
        values[":deleted"] = Status.DELETED
    else:
        filters.append("#status = :status")
        values[":status"] = wanted.status
    if wanted.tag is not None:
        filters.append("contains(#tags, :tag)")
        names["#tags"] = "tags"
        values[":tag"] = wanted.tag
    is_filtered = wanted.status is not None or wanted.tag is not None
    arguments: dict[str, Any] = {
        "IndexName": OWNER_INDEX,
        "KeyConditionExpression": "#owner = :owner",
        "FilterExpression": " AND ".join(filters),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {name: to_attribute(value) for name, value in values.items()},
        "ScanIndexForward": False,
        "Limit": RECORDS_A_QUERY if is_filtered else wanted.limit + 1,
    }
    if wanted.after:
        place = {"owner": owner, "upload_date": wanted.after.upload_date, "video_id": wanted.after.video_id}
        arguments["ExclusiveStartKey"] = {name: to_attribute(value) for name, value in place.items()}
    return arguments
