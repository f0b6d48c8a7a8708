"""Sends the arrival of a forgotten video again: one that waits, and whose message has been lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import structlog
from botocore.exceptions import ClientError

from vodstack_contracts import moves
from vodstack_contracts.items import from_item, to_attribute
from vodstack_contracts.jobs import encode_arrival
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord, timestamp
from vodstack_worker.conditions import holds
from vodstack_worker.fair_share import FairShare
from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.metrics import Metrics
from vodstack_worker.settings import Settings

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient

_TURNS_PER_PERIOD = 4
# Workers that live for less than a turn, as scaling and spot nodes have it, must sweep as well.
_FIRST_LOOK = 1 / 90
_TURN = {"pk": to_attribute("sweep"), "sk": to_attribute("arrivals")}
_WAITING = (Status.UPLOADING, Status.QUEUED, Status.PROCESSING)
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_NAMES = (moves.KEY, "status", "updated_at", "upload_date", "owner", "waits_until", "lease", "resent")
_FORGOTTEN = (
    "#status IN (:uploading, :queued, :processing) AND #updated_at < :cutoff"
    " AND (attribute_not_exists(#lease) OR #lease.#lease_end < :now)"
)


class Sweep:
    """One worker of all that share the tables sweeps at a time; each asks for its turn."""

    def __init__(
        self,
        s3: "S3Client",
        sqs: "SQSClient",
        dynamodb: "DynamoDBClient",
        *,
        settings: Settings,
        metrics: Metrics,
        share: FairShare,
    ) -> None:
        self._s3 = s3
        self._sqs = sqs
        self._dynamodb = dynamodb
        self._settings = settings
        self._metrics = metrics
        self._share = share
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    async def run(self) -> None:
        """Sweep until cancelled. A turn that is cut short leaves the rest to the next."""
        pause = self._settings.resend_after / _TURNS_PER_PERIOD
        await asyncio.sleep(pause * _FIRST_LOOK)
        while True:
            try:
                if await self._is_my_turn(pause):
                    await self._sweep()
            except AWS_ERRORS as error:
                self._metrics.errors.inc()
                self._log.warning("the sweep was cut short", error=repr(error)[:300])
            except Exception:  # noqa: BLE001 - a defect of ours must not end all sweeps to come
                self._metrics.errors.inc()
                self._log.exception("unexpected error of the sweep")
            await asyncio.sleep(pause)

    async def _is_my_turn(self, pause: float) -> bool:
        """Whether nobody has swept for as long as one pause."""
        now = int(time.time())
        turn = {**_TURN, "expires_at": to_attribute(now + int(pause))}
        return await holds(
            self._dynamodb.put_item(
                TableName=self._settings.work_table,
                Item=turn,
                ConditionExpression="attribute_not_exists(pk) OR expires_at <= :now",
                ExpressionAttributeValues={":now": to_attribute(now)},
            )
        )

    async def _sweep(self) -> None:
        sent = 0
        await self._share.recover()
        async for record in self._forgotten():
            if record.status is Status.UPLOADING and not await self._has_arrived(record.video_id):
                continue
            if await self._share.is_waiting(record):
                continue
            await self._send(record.video_id, record.status, record.resent)
            sent += 1
        self._log.info("swept", sent=sent)

    async def _send(self, video_id: str, status: Status, resent: int) -> None:
        """Sent first and noted after: a crash between the two repeats a message and loses none."""
        body = encode_arrival(video_id, self._settings.bucket)
        await self._sqs.send_message(QueueUrl=self._settings.queue_url, MessageBody=body)
        self._metrics.resent.inc()
        self._log.warning("arrival sent again", video_id=video_id, status=status)
        # One that only waits for its first worker has not failed to come forward.
        changes = {"resent": resent + 1} if status is Status.PROCESSING else {}
        note = moves.amend(video_id, {status}, changes=changes)
        await holds(self._dynamodb.update_item(TableName=self._settings.table, **note))

    async def _forgotten(self) -> AsyncIterator[VideoRecord]:
        now = time.time()
        cutoff = datetime.fromtimestamp(now, UTC) - timedelta(seconds=self._settings.resend_after)
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._settings.table,
            FilterExpression=_FORGOTTEN,
            ProjectionExpression=", ".join(f"#{name}" for name in _NAMES if name != "lease"),
            ExpressionAttributeNames={f"#{name}": name for name in _NAMES} | {"#lease_end": "expires_at"},
            ExpressionAttributeValues={
                **{f":{status}": to_attribute(status) for status in _WAITING},
                ":cutoff": to_attribute(timestamp(cutoff)),
                ":now": to_attribute(now),
            },
        )
        async for page in pages:
            for item in cast("list[dict[str, Any]]", page.get("Items", [])):
                yield from_item(item, VideoRecord)

    async def _has_arrived(self, video_id: str) -> bool:
        try:
            await self._s3.head_object(Bucket=self._settings.bucket, Key=original_key(video_id))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                return False
            raise
        return True
