"""The work table, as far as it says which jobs of an owner are being worked on: one item an owner.

pk turns#{owner}, sk running   an entry for each job, and the item's version

Entries are leases: each lapses by itself, so that a worker that dies leaves nothing counted.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from vodstack_contracts.items import from_attribute, to_attribute
from vodstack_worker.conditions import holds

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

# Far longer than any entry lives without being extended.
_KEPT_SECONDS = 86_400
_TRIES = 20
_LONGEST_PAUSE_SECONDS = 0.2
_NAMES = {"#running": "running", "#version": "version"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One job's. Without a token it is kept for a job that is on its way through the queue.

    A `long` job is one that keeps its worker for longer than others should wait.
    """

    token: str
    expires_at: float
    long: bool = False


class Entering(StrEnum):
    """What came of asking for a turn. `TAKEN` means that the job itself is in hand already."""

    ENTERED = "entered"
    FULL = "full"
    TAKEN = "taken"


@dataclass(frozen=True)
class Running:
    """An owner's entries as they were read; the version is None where there is no item."""

    version: int | None
    entries: dict[str, Entry]

    @property
    def live(self) -> dict[str, Entry]:
        now = time.time()
        return {key: entry for key, entry in self.entries.items() if entry.expires_at > now}

    def count(self, *, long: bool) -> int:
        """Return how many are live, or how many `long` ones are."""
        return sum(entry.long or not long for entry in self.live.values())


class Turns:
    """Every write asks for the version that was read, but those of the entry's own holder."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    async def read(self, owner: str) -> Running:
        answer = await self._dynamodb.get_item(TableName=self._table, Key=_key(owner), ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        if item is None:
            return Running(None, {})
        entries = msgspec.convert(from_attribute(item["running"]), dict[str, Entry])
        return Running(from_attribute(item["version"]), entries)

    async def enter(self, owner: str, job: str, entry: Entry, *, most: int | None) -> Entering:
        """Add a job's entry, where fewer than `most` are live, or fewer `long` ones where it is one itself."""
        for attempt in range(_TRIES):
            running = await self.read(owner)
            held = running.live.get(job)
            if held and (not entry.token or held.token not in {"", entry.token}):
                return Entering.TAKEN
            if held is None and most is not None and running.count(long=entry.long) >= most:
                return Entering.FULL
            kept = msgspec.structs.replace(entry, long=entry.long or (held is not None and held.long))
            if await self._put(owner, running, job, kept):
                return Entering.ENTERED
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS) * attempt / _TRIES)  # noqa: S311 - no secret
        return Entering.FULL

    async def claim_long(self, owner: str, job: str, entry: Entry, *, most: int) -> bool:
        """Turn the entry of a job in hand into that of a long one, where fewer than `most` others are."""
        for attempt in range(_TRIES):
            running = await self.read(owner)
            held = running.live.get(job)
            if held and held.long and held.token == entry.token:
                return True
            if sum(other.long for key, other in running.live.items() if key != job) >= most:
                return False
            if await self._put(owner, running, job, msgspec.structs.replace(entry, long=True)):
                return True
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS) * attempt / _TRIES)  # noqa: S311 - no secret
        return False

    async def extend(self, owner: str, job: str, entry: Entry) -> None:
        """Write the entry of a job that is held by its own lease, whatever has become of it meanwhile."""
        await self._update(
            owner,
            UpdateExpression="SET #running.#job = :entry, expires_at = :end",
            ConditionExpression="attribute_exists(#running)",
            ExpressionAttributeNames={"#running": "running", "#job": job},
            ExpressionAttributeValues={":entry": to_attribute(entry), ":end": to_attribute(_expiry())},
        )

    async def leave(self, owner: str, job: str, token: str) -> None:
        """Remove a job's entry, where it has this token still."""
        await self._update(
            owner,
            UpdateExpression="REMOVE #running.#job",
            ConditionExpression="#running.#job.#token = :token",
            ExpressionAttributeNames={"#running": "running", "#job": job, "#token": "token"},
            ExpressionAttributeValues={":token": to_attribute(token)},
        )

    async def _put(self, owner: str, running: Running, job: str, entry: Entry) -> bool:
        """Whether the item was still the one that was read. What has lapsed is removed on the way."""
        if running.version is None:
            item = {"running": {job: entry}, "version": 1, "expires_at": _expiry()}
            attributes = {name: to_attribute(value) for name, value in item.items()}
            return await holds(
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item={**_key(owner), **attributes},
                    ConditionExpression="attribute_not_exists(pk)",
                )
            )
        lapsed = sorted(running.entries.keys() - running.live.keys() - {job})
        removal = f" REMOVE {', '.join(f'#running.#lapsed{at}' for at in range(len(lapsed)))}" if lapsed else ""
        return await self._update(
            owner,
            UpdateExpression=f"SET #running.#job = :entry, #version = :next, expires_at = :end{removal}",
            ConditionExpression="#version = :seen",
            ExpressionAttributeNames={**_NAMES, "#job": job, **{f"#lapsed{at}": key for at, key in enumerate(lapsed)}},
            ExpressionAttributeValues={
                ":entry": to_attribute(entry),
                ":next": to_attribute(running.version + 1),
                ":seen": to_attribute(running.version),
                ":end": to_attribute(_expiry()),
            },
        )

    async def _update(self, owner: str, **update: Any) -> bool:
        return await holds(self._dynamodb.update_item(TableName=self._table, Key=_key(owner), **update))


def _key(owner: str) -> dict[str, Any]:
    return {"pk": to_attribute(f"turns#{owner}"), "sk": to_attribute("running")}


def _expiry() -> int:
    return int(time.time()) + _KEPT_SECONDS
