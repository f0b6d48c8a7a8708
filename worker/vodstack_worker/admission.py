"""Whether a planned video may be encoded now: by its owner's share of long jobs, and by its quota of the day.

The quota is counted in encoded minutes: a minute of 1920x1080 at 30 frames a second is one, and every rendition counts
by its frames and their pixels. A video is counted once, when its plan is known:

pk encoded#{owner}, sk {day}   `minutes` of that day, which the API reads too; and, until a record says that its video
                               is counted, what it was counted as, under the video's id
"""

import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from vodstack_contracts.fair_use import MINUTES, day_of, encoded_key, end_of_day
from vodstack_contracts.items import from_attribute, to_attribute
from vodstack_contracts.videos import Charge, VideoRecord
from vodstack_worker.conditions import refused
from vodstack_worker.errors import NotYetError
from vodstack_worker.fair_share import Turn
from vodstack_worker.plans import Plan
from vodstack_worker.records import Records

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_FRAMES_OF_A_MINUTE = 1800
_PIXELS_OF_A_MINUTE = 1920 * 1080 * _FRAMES_OF_A_MINUTE
# Bringing, probing and publishing even the shortest video takes a worker some seconds.
_LEAST_MINUTES = 0.1
# What keeps a worker for longer than a chunk and its like does, and so longer than others should wait.
LONG_MINUTES = 6.0
_KEPT_SECONDS = 14 * 86_400


def encoded_minutes(plan: Plan) -> float:
    """Return what encoding a video counts as."""
    pixels = sum(rung.width * rung.height for rung in plan.rungs)
    return max(_LEAST_MINUTES, round(pixels * plan.frames / _PIXELS_OF_A_MINUTE, 3))


class EncodingQuota:
    """Owners' encoded minutes, `limit` a day; with 0, nothing is counted."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, limit: int) -> None:
        self.limit = limit
        self._dynamodb = dynamodb
        self._table = table

    async def require_left(self, owner: str) -> None:
        """Raises NotYetError where the day's minutes are used up."""
        now = time.time()
        answer = await self._dynamodb.get_item(
            TableName=self._table, Key=encoded_key(owner, day_of(now)), ConsistentRead=True
        )
        item: dict[str, Any] = answer.get("Item", {})
        if MINUTES in item and from_attribute(item[MINUTES]) >= self.limit:
            raise self._used_up(now)

    async def count(self, owner: str, video_id: str, minutes: float) -> Charge:
        """Count a video, once however often it is repeated on one day. The one that crosses the line goes on.

        Raises NotYetError for those that come after it.
        """
        now = time.time()
        charge = Charge(day=day_of(now), minutes=minutes)
        update = {
            "UpdateExpression": "SET expires_at = :end, #video = :minutes ADD #minutes :minutes",
            "ConditionExpression": (
                "attribute_not_exists(#video) AND (attribute_not_exists(#minutes) OR #minutes < :limit)"
            ),
            "ExpressionAttributeNames": {"#video": video_id, "#minutes": MINUTES},
            "ExpressionAttributeValues": {
                ":end": to_attribute(int(now) + _KEPT_SECONDS),
                ":minutes": to_attribute(minutes),
                ":limit": to_attribute(self.limit),
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            await self._update(owner, charge.day, update)
        except ClientError as error:
            if video_id not in refused(error):
                raise self._used_up(now) from error
        return charge

    async def settle(self, owner: str, video_id: str, charge: Charge) -> None:
        """Forget by which video the minutes came to be: its record says so from here on."""
        update = {"UpdateExpression": "REMOVE #video", "ExpressionAttributeNames": {"#video": video_id}}
        await self._update(owner, charge.day, update)

    async def refund(self, owner: str, charge: Charge) -> None:
        """Give back what a video was counted as that failed by no fault of its owner's."""
        update = {
            "UpdateExpression": "SET expires_at = :end ADD #minutes :change",
            "ExpressionAttributeNames": {"#minutes": MINUTES},
            "ExpressionAttributeValues": {
                ":change": to_attribute(-charge.minutes),
                ":end": to_attribute(int(time.time()) + _KEPT_SECONDS),
            },
        }
        await self._update(owner, charge.day, update)

    def _used_up(self, now: float) -> NotYetError:
        return NotYetError(f"the owner's {self.limit} encoded minutes of the day are used up", end_of_day(now))

    async def _update(self, owner: str, day: str, update: dict[str, Any]) -> None:
        await self._dynamodb.update_item(TableName=self._table, Key=encoded_key(owner, day), **update)


class Admission:
    """One video's."""

    def __init__(
        self, record: VideoRecord, lease_token: str, turn: Turn, quota: EncodingQuota, records: Records
    ) -> None:
        self._record = record
        self._lease_token = lease_token
        self._turn = turn
        self._quota = quota
        self._records = records
        self._charge = record.charge

    async def require_day(self) -> None:
        """Raises NotYetError for a video that waited for its day and has to wait on, before it is planned again."""
        if self._is_counted and self._record.owner and self._record.waits_until is not None and self._charge is None:
            await self._quota.require_left(self._record.owner)

    async def admit(self, plan: Plan, *, in_chunks: bool) -> None:
        """Let a planned video be encoded, and count it. Raises NotYetError.

        What dies between the writes is counted once all the same: the counter knows the video until its record does.
        """
        minutes = encoded_minutes(plan)
        if not in_chunks and minutes > LONG_MINUTES:
            await self._turn.require_long()
        owner, video_id = self._record.owner, self._record.video_id
        if not self._is_counted or owner is None or self._charge is not None:
            return
        self._charge = await self._quota.count(owner, video_id, minutes)
        await self._records.amend(video_id, self._lease_token, {"charge": self._charge})
        await self._quota.settle(owner, video_id, self._charge)

    async def refund(self) -> None:
        """Give the minutes back. The record no longer tells of them by then: a crash before leaves them counted."""
        if self._is_counted and self._record.owner and self._charge is not None:
            await self._quota.refund(self._record.owner, self._charge)

    @property
    def _is_counted(self) -> bool:
        return self._quota.limit > 0
