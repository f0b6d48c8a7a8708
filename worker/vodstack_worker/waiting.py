"""The work table, as far as it keeps jobs that wait: those whose owner has its share of the workers for now.

pk waiting        any worker that has nothing else to do may begin them
pk waiting#long   they are begun when fewer long jobs of their owner are worked on
pk waiting#day    they are begun on another day, when the owner may encode again

The sort key begins with the owner and the time of the upload, and so is the order in which an owner's jobs go on.
"""

import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from vodstack_contracts.fair_use import WAITING
from vodstack_contracts.items import from_item, to_attribute, to_item
from vodstack_contracts.videos import VideoRecord
from vodstack_worker.conditions import holds

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

# As long as the longest-lived message, a dead letter, may be sent again.
_KEPT_SECONDS = 14 * 86_400
_PAGE = 25
_MARK_BYTES = 8

QueueName = Literal["arrivals", "chunks"]


class Line(StrEnum):
    """What a job waits for: any idle worker, its owner's other long jobs, or another day."""

    ANY = WAITING
    LONG = f"{WAITING}#long"
    DAY = f"{WAITING}#day"


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """A job as its message tells of it. Without a `number` it is the video's own, else that chunk's."""

    owner: str
    video_id: str
    upload_date: str
    queue: QueueName
    body: str
    number: int | None = None

    @property
    def key(self) -> str:
        return self.video_id if self.number is None else f"{self.video_id}#{self.number}"

    @property
    def place(self) -> str:
        """Where it stands among all that wait. A video that is planned again comes after its chunks."""
        number = "video" if self.number is None else f"{self.number:05d}"
        return f"{_place(self.owner, self.upload_date, self.video_id)}#{number}"


class Waiting(Struct, frozen=True, kw_only=True):
    """A job that waits, and what its message had behind it. `mark` tells one writing of the same job from another."""

    pk: str
    sk: str
    owner: str
    job: str
    queue: QueueName
    body: str
    receives: int
    mark: str
    expires_at: int


class WaitingList:
    """Jobs that wait. Writing one down again changes nothing of its place."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    async def put(self, line: Line, job: QueuedJob, *, receives: int, until: float | None = None) -> None:
        waiting = Waiting(
            pk=line.value,
            sk=job.place if until is None else _due(until, job.place),
            owner=job.owner,
            job=job.key,
            queue=job.queue,
            body=job.body,
            receives=receives,
            mark=secrets.token_hex(_MARK_BYTES),
            expires_at=int(time.time()) + _KEPT_SECONDS,
        )
        await self._dynamodb.put_item(TableName=self._table, Item=to_item(waiting))

    async def remove(self, waiting: Waiting) -> None:
        """Remove what was read, and not what may have been written down in its place since."""
        await holds(
            self._dynamodb.delete_item(
                TableName=self._table,
                Key={"pk": to_attribute(waiting.pk), "sk": to_attribute(waiting.sk)},
                ConditionExpression="mark = :mark",
                ExpressionAttributeValues={":mark": to_attribute(waiting.mark)},
            )
        )

    async def first(self, line: Line, owner: str) -> list[Waiting]:
        """Return an owner's first ones, in order."""
        return await self._query(line, "begins_with(sk, :start)", _hash(owner))

    async def some(self) -> list[Waiting]:
        """Return some that any worker may begin, of owners that chance picks."""
        start = secrets.token_hex(16)
        return await self._query(Line.ANY, "sk >= :start", start) or await self._query(Line.ANY, "sk < :start", start)

    async def due(self) -> list[Waiting]:
        """Return some whose day has come."""
        return await self._query(Line.DAY, "sk < :start", _due(time.time(), "~"))

    async def holds(self, record: VideoRecord) -> bool:
        """Whether the video, or a chunk of it, waits."""
        place = _place(record.owner or "", record.upload_date, record.video_id)
        places = [(Line.ANY, place), (Line.LONG, place)]
        if record.waits_until is not None:
            places.append((Line.DAY, _due(record.waits_until, place)))
        for line, start in places:
            if await self._query(line, "begins_with(sk, :start)", start):
                return True
        return False

    async def owners(self) -> AsyncIterator[str]:
        """Tell of every owner of whom something waits for a turn."""
        for line in (Line.ANY, Line.LONG):
            after = " "
            while found := await self._query(line, "sk > :start", after):
                yield found[0].owner
                # Past all others of that owner: `~` sorts behind what comes after the hash.
                after = f"{found[0].sk.partition('#')[0]}~"

    async def count(self, line: Line) -> int:
        """Return about how many wait; a page of the table is as far as it looks."""
        answer = await self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression="pk = :line",
            ExpressionAttributeValues={":line": to_attribute(line.value)},
            Select="COUNT",
        )
        return answer.get("Count", 0)

    async def _query(self, line: Line, condition: str, start: str) -> list[Waiting]:
        answer = await self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression=f"pk = :line AND {condition}",
            ExpressionAttributeValues={":line": to_attribute(line.value), ":start": to_attribute(start)},
            ConsistentRead=True,
            Limit=_PAGE,
        )
        items: list[dict[str, Any]] = answer.get("Items", [])
        return [from_item(item, Waiting) for item in items]


def _hash(owner: str) -> str:
    """An owner's name may hold anything; this has one length, and characters that sort as they should."""
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _place(owner: str, upload_date: str, video_id: str) -> str:
    return f"{_hash(owner)}#{upload_date}#{video_id}"


def _due(moment: float, place: str) -> str:
    return f"{int(moment):012d}#{place}"
