"""The videos table as the API reads and writes it."""

import time
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from vodstack_app.aws import error_code, storage_errors
from vodstack_app.errors import ConflictError, NotFoundError
from vodstack_app.identity import Identity
from vodstack_app.videos.recent import Recent
from vodstack_contracts import moves
from vodstack_contracts.items import from_item, to_attribute
from vodstack_contracts.videos import DELETED_OWNER, Deletion, Status, VideoRecord

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient

_ALIVE = frozenset(Status) - {Status.DELETED}
OWNER_INDEX = "by-owner"
CONDITION_FAILED = "ConditionalCheckFailedException"
_DELETED_MEANWHILE = "The video was deleted while it was being uploaded."


class Records:
    """Every record's way in and out."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, look_seconds: float = 0.0) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._recent = Recent(self._read, look_seconds)

    async def find(self, video_id: str, identity: Identity) -> VideoRecord:
        """The record as it is now. Raises NotFoundError, for one that is deleted, lapsed or out of sight too."""
        return _visible(video_id, await self._read(video_id), identity)

    async def look(self, video_id: str, identity: Identity) -> VideoRecord:
        """As `find`, but what others have changed may take `look_seconds` to be seen, and the record is shared."""
        return _visible(video_id, await self._recent.find(video_id), identity)

    async def _read(self, video_id: str) -> VideoRecord | None:
        with storage_errors():
            answer = await self._dynamodb.get_item(
                TableName=self._table, Key={moves.KEY: to_attribute(video_id)}, ConsistentRead=True
            )
        return from_item(answer["Item"], VideoRecord) if "Item" in answer else None

    async def create(self, record: VideoRecord) -> None:
        # A repeated PutItem whose first answer was lost finds its own record: ids are random, nobody else's is there.
        with self._writing(record.video_id):
            await self._conditional("put_item", moves.create(record))

    async def describe(self, video_id: str, changes: Mapping[str, object]) -> None:
        """Add what the form said to a record whose original is on its way. Raises ConflictError."""
        update = moves.amend(video_id, {Status.UPLOADING}, changes=changes)
        with self._writing(video_id):
            held = await self._conditional("update_item", update)
        if not held:
            raise ConflictError(_DELETED_MEANWHILE)

    async def edit(self, record: VideoRecord, changes: Mapping[str, object]) -> VideoRecord | None:
        """The record with these changes; None where it is deleted, or its metadata is not what `record` says."""
        unchanged = {"metadata": record.metadata} if "metadata" in changes else {}
        update = moves.amend(record.video_id, _ALIVE, changes=changes, unchanged=unchanged)
        with self._writing(record.video_id):
            try:
                answer = await self._dynamodb.update_item(TableName=self._table, ReturnValues="ALL_NEW", **update)
            except ClientError as error:
                if error_code(error) == CONDITION_FAILED:
                    return None
                raise
        return from_item(answer.get("Attributes", {}), VideoRecord)

    async def delete(self, video_id: str, deletion: Deletion) -> bool:
        """False where somebody else has deleted it, or this very call before its answer was lost."""
        with self._writing(video_id):
            return await self._conditional("update_item", moves.delete(video_id, deletion))

    async def due_deletions(self, now: float) -> AsyncIterator[tuple[str, Deletion]]:
        """Deleted videos that are to be looked at by `now`."""
        arguments: dict[str, Any] = {
            "IndexName": OWNER_INDEX,
            "KeyConditionExpression": "#owner = :owner",
            "FilterExpression": "#status = :deleted AND #deletion.#purge_at <= :now",
            "ExpressionAttributeNames": {f"#{name}": name for name in ("owner", "status", "deletion", "purge_at")},
            "ExpressionAttributeValues": {
                ":owner": to_attribute(DELETED_OWNER),
                ":deleted": to_attribute(Status.DELETED),
                ":now": to_attribute(now),
            },
        }
        while True:
            with storage_errors():
                answer = await self._dynamodb.query(TableName=self._table, **arguments)
            for item in answer["Items"]:
                record = from_item(item, VideoRecord)
                if record.deletion:
                    yield record.video_id, record.deletion
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def put_off(self, video_id: str, deletion: Deletion) -> None:
        with self._writing(video_id):
            await self._conditional(
                "update_item", moves.amend(video_id, {Status.DELETED}, changes={"deletion": deletion})
            )

    async def forget(self, video_id: str) -> None:
        """Remove the record of a deleted video."""
        await self._remove(video_id, Status.DELETED)

    async def enqueue(self, video_id: str) -> None:
        """Tell that the original is there, unless a worker has found out and gone further. Raises ConflictError."""
        update = moves.move(video_id, Status.QUEUED, within={Status.UPLOADING}, remove=("expires_at", "direct"))
        with self._writing(video_id):
            barred = await self._barred(update)
        if barred is Status.DELETED:
            raise ConflictError(_DELETED_MEANWHILE)

    async def withdraw(self, video_id: str, deletion: Deletion) -> Status | None:
        """Delete a video that is `uploading`; else the state that it is in, `DELETED` by this very call too."""
        update = moves.delete(video_id, deletion, within={Status.UPLOADING})
        with self._writing(video_id):
            return await self._barred(update)

    async def discard(self, video_id: str) -> bool:
        """Remove a record whose original never arrived; False where it is gone, or its original is there."""
        return await self._remove(video_id, Status.UPLOADING)

    async def _remove(self, video_id: str, status: Status) -> bool:
        removal = {
            "Key": {moves.KEY: to_attribute(video_id)},
            "ConditionExpression": "#status = :status",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": to_attribute(status)},
        }
        with self._writing(video_id):
            return await self._conditional("delete_item", removal)

    @contextmanager
    def _writing(self, video_id: str) -> Generator[None]:
        """A write after which nobody here is shown what was before, even where its answer is lost."""
        try:
            with storage_errors():
                yield
        finally:
            self._recent.forget(video_id)

    async def _barred(self, update: dict[str, Any]) -> Status | None:
        """The state that kept an update from being made; a record that is gone counts as deleted."""
        try:
            await self._dynamodb.update_item(TableName=self._table, **update)
        except ClientError as error:
            if error_code(error) != CONDITION_FAILED:
                raise
            response: Any = error.response
            return from_item(response["Item"], VideoRecord).status if "Item" in response else Status.DELETED
        return None

    async def _conditional(self, operation: str, arguments: dict[str, Any]) -> bool:
        """Whether the write's condition held."""
        try:
            await getattr(self._dynamodb, operation)(TableName=self._table, **arguments)
        except ClientError as error:
            if error_code(error) == CONDITION_FAILED:
                return False
            raise
        return True


def _visible(video_id: str, record: VideoRecord | None, identity: Identity) -> VideoRecord:
    if record is None or not _is_there(record) or not identity.may_see(record.owner):
        raise NotFoundError(f"There is no video with the id {video_id}.")
    return record


def _is_there(record: VideoRecord) -> bool:
    has_lapsed = record.expires_at is not None and record.expires_at <= time.time()
    return record.status is not Status.DELETED and not has_lapsed
