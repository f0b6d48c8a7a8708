"""How many bytes of originals an owner may store.

A counter in the work table is raised before a video may come to be, and lowered after one is gone; what a crash leaves
counted in between is found by counting the records anew (docs/adr/0016-fair-use-is-counted-in-the-work-table.md).
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from msgspec import Struct

from vodstack_app.aws import error_code, storage_errors
from vodstack_app.errors import StorageFullError
from vodstack_app.videos.records import CONDITION_FAILED, OWNER_INDEX
from vodstack_contracts.items import from_attribute, from_item, to_attribute, to_item
from vodstack_contracts.videos import Status

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient

# A record is written, and seen in the index, long before this is over.
SETTLING_SECONDS = 60.0
COUNT_LIFE_SECONDS = 24 * 3600.0
USAGE_LIFE_SECONDS = 7 * 24 * 3600


class Usage(Struct, frozen=True, kw_only=True):
    """An owner's counter. Moments are in epoch seconds."""

    pk: str
    sk: str
    stored_bytes: int
    counted_at: float
    charged_at: float
    expires_at: int


class Storage:
    """Keeps owners within `limit_bytes`; with 0, nothing is counted."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        *,
        videos_table: str,
        work_table: str,
        limit_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._videos_table = videos_table
        self._work_table = work_table
        self._limit = limit_bytes
        self._clock = clock

    async def require_room(self, owner: str, size_bytes: int) -> None:
        """Raises StorageFullError where so much more would be too much by now; nothing is held for the asker."""
        if self._limit and (await self._usage(owner, size_bytes)).stored_bytes > self._limit - size_bytes:
            raise StorageFullError(self._limit)

    async def charge(self, owner: str, size_bytes: int) -> None:
        """Count what is about to be stored. Raises StorageFullError."""
        if not self._limit:
            return
        await self.require_room(owner, size_bytes)
        is_counted = await self._add(
            owner, size_bytes, "stored_bytes <= :bound", bound=self._limit - size_bytes, charged_at=self._clock()
        )
        if not is_counted:
            raise StorageFullError(self._limit)

    async def credit(self, owner: str | None, size_bytes: int | None, since: float) -> None:
        """Count no longer what went after the moment `since`, unless a recount has passed it over already."""
        if self._limit and owner and size_bytes:
            bound = "counted_at < :since AND stored_bytes >= :bound"
            await self._add(owner, -size_bytes, bound, bound=size_bytes, since=since)

    async def _usage(self, owner: str, size_bytes: int) -> Usage:
        usage = await self._read(owner)
        if usage and not self._is_doubtful(usage, size_bytes):
            return usage
        counted = await self._recount(owner, usage)
        return counted or await self._read(owner) or _usage(owner, 0, self._clock(), self._clock())

    def _is_doubtful(self, usage: Usage, size_bytes: int) -> bool:
        """Nobody is refused by an old figure."""
        now = self._clock()
        if now - usage.charged_at < SETTLING_SECONDS:
            return False
        is_full = usage.stored_bytes > self._limit - size_bytes
        return now - usage.counted_at >= (SETTLING_SECONDS if is_full else COUNT_LIFE_SECONDS)

    async def _read(self, owner: str) -> Usage | None:
        with storage_errors():
            answer = await self._dynamodb.get_item(TableName=self._work_table, Key=_key(owner), ConsistentRead=True)
        return from_item(answer["Item"], Usage) if "Item" in answer else None

    async def _recount(self, owner: str, seen: Usage | None) -> Usage | None:
        """The counter as the records make it; None where it has moved meanwhile."""
        now = self._clock()
        counted = _usage(owner, await self._sum(owner, now), now, seen.charged_at if seen else 0.0)
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if seen:
            condition = {
                "ConditionExpression": "stored_bytes = :seen AND charged_at = :charged_at AND counted_at = :counted_at",
                "ExpressionAttributeValues": {
                    ":seen": to_attribute(seen.stored_bytes),
                    ":charged_at": to_attribute(seen.charged_at),
                    ":counted_at": to_attribute(seen.counted_at),
                },
            }
        return counted if await self._held("put_item", Item=to_item(counted), **condition) else None

    async def _sum(self, owner: str, now: float) -> int:
        arguments: dict[str, Any] = {
            "IndexName": OWNER_INDEX,
            "KeyConditionExpression": "#owner = :owner",
            "FilterExpression": "#status <> :deleted AND (attribute_not_exists(#end) OR #end > :now)",
            "ProjectionExpression": "size_bytes",
            "ExpressionAttributeNames": {"#owner": "owner", "#status": "status", "#end": "expires_at"},
            "ExpressionAttributeValues": {
                ":owner": to_attribute(owner),
                ":deleted": to_attribute(Status.DELETED),
                ":now": to_attribute(int(now)),
            },
        }
        total = 0
        while True:
            with storage_errors():
                answer = await self._dynamodb.query(TableName=self._videos_table, **arguments)
            total += sum(from_attribute(item["size_bytes"]) for item in answer["Items"] if "size_bytes" in item)
            if "LastEvaluatedKey" not in answer:
                return total
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def _add(self, owner: str, size_bytes: int, condition: str, **values: float) -> bool:
        charged = ", charged_at = :charged_at" if "charged_at" in values else ""
        lasting: dict[str, float] = {
            "change": size_bytes,
            "end": int(self._clock()) + USAGE_LIFE_SECONDS,
            **values,
        }
        return await self._held(
            "update_item",
            Key=_key(owner),
            UpdateExpression=f"SET expires_at = :end{charged} ADD stored_bytes :change",
            ConditionExpression=condition,
            ExpressionAttributeValues={f":{name}": to_attribute(value) for name, value in lasting.items()},
        )

    async def _held(self, operation: str, **arguments: Any) -> bool:
        """Whether the write's condition held."""
        with storage_errors():
            try:
                await getattr(self._dynamodb, operation)(TableName=self._work_table, **arguments)
            except ClientError as error:
                if error_code(error) == CONDITION_FAILED:
                    return False
                raise
        return True


def _usage(owner: str, stored_bytes: int, counted_at: float, charged_at: float) -> Usage:
    return Usage(
        pk=f"usage#{owner}",
        sk="stored",
        stored_bytes=stored_bytes,
        counted_at=counted_at,
        charged_at=charged_at,
        expires_at=int(counted_at) + USAGE_LIFE_SECONDS,
    )


def _key(owner: str) -> dict[str, Any]:
    return {"pk": to_attribute(f"usage#{owner}"), "sk": to_attribute("stored")}
