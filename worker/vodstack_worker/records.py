"""A video's record in the table: conditional writes, and what a false condition tells."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from vodstack_contracts import moves
from vodstack_contracts.items import from_item, to_attribute
from vodstack_contracts.videos import EncodePlan, Lease, Status, VideoRecord
from vodstack_worker.conditions import refused
from vodstack_worker.errors import ConditionFalseError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class Records:
    """The videos table, through the moves that the contracts allow. Every write raises ConditionFalseError."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    async def read(self, video_id: str) -> VideoRecord | None:
        key = {moves.KEY: to_attribute(video_id)}
        answer = await self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item = cast("dict[str, Any] | None", answer.get("Item"))
        return from_item(item, VideoRecord) if item else None

    async def take(self, video_id: str, lease: Lease, *, now: float, attempt: bool) -> VideoRecord:
        """The record, now `processing` under the lease; what goes on is no new `attempt`."""
        changes = {"progress": 0.0} if attempt else {}
        try:
            return await self._update(moves.take(video_id, lease, now=now, changes=changes, attempt=attempt))
        except ConditionFalseError as refused:
            # A write whose answer was lost is sent again, and finds itself.
            if refused.record and refused.record.lease and refused.record.lease.token == lease.token:
                return refused.record
            raise

    async def advance(self, video_id: str, plan_id: str, progress: float) -> None:
        """Tell how far the chunks are."""
        await self._update(moves.advance(video_id, plan_id, progress))

    async def give_up_chunks(self, video_id: str, plan: EncodePlan) -> None:
        """Let a video whose chunks are still wanted be transcoded by another plan."""
        await self._update(moves.amend(video_id, {Status.PROCESSING}, changes={"plan": plan}, plan_id=plan.plan_id))

    async def amend(self, video_id: str, lease_token: str, changes: Mapping[str, object]) -> None:
        """Change a record whose lease is held."""
        await self._update(moves.amend(video_id, {Status.PROCESSING}, lease_token=lease_token, changes=changes))

    async def put_back(self, video_id: str, lease_token: str, changes: Mapping[str, object]) -> None:
        """Move a record whose lease is held back to those that wait for a worker."""
        await self._update(
            moves.move(
                video_id,
                Status.QUEUED,
                within={Status.PROCESSING},
                lease_token=lease_token,
                changes=changes,
                remove=("lease", "stage"),
            )
        )

    async def finish(
        self, video_id: str, target: Status, lease_token: str, changes: Mapping[str, object], remove: Collection[str]
    ) -> None:
        """Move a record whose lease is held to its end, and give the lease up with it."""
        await self._update(
            moves.move(video_id, target, lease_token=lease_token, changes=changes, remove=("lease", "stage", *remove))
        )

    async def _update(self, update: dict[str, Any]) -> VideoRecord:
        try:
            answer = await self._dynamodb.update_item(TableName=self._table, ReturnValues="ALL_NEW", **update)
        except ClientError as error:
            item = refused(error)
            raise ConditionFalseError(from_item(item, VideoRecord) if item else None) from error
        return from_item(answer.get("Attributes", {}), VideoRecord)
