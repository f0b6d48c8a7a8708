"""The heartbeat writes what is worth a write: of a long film, progress comes in steps that nobody can see."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from aiobotocore.session import get_session
from tests.conftest import REGION
from tests.worker.running import Videos, wait_for

from vodstack_contracts.videos import Lease, Stage
from vodstack_worker.fair_share import Turn
from vodstack_worker.lease import HeldVideo, LeaseKeeper
from vodstack_worker.messages import JobQueue, Message
from vodstack_worker.metrics import Metrics
from vodstack_worker.records import Records
from vodstack_worker.work import Work

# Longer than anybody waits here: a beat for the lease's sake would write progress as well.
VISIBILITY_SECONDS = 3600
A_TICK_AND_A_BIT = 1.3
ACCESS: dict[str, Any] = {"region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}


def test_progress_is_written_by_the_hundredth(foundation: Any, videos: Videos):
    video_id = videos.upload(b"a film")
    lease = Lease(token="lease", message_id="m", expires_at=time.time() + VISIBILITY_SECONDS)

    async def run() -> None:
        sessions: Any = get_session()
        async with (
            sessions.create_client("dynamodb", endpoint_url=foundation.endpoint_url, **ACCESS) as dynamodb,
            sessions.create_client("sqs", endpoint_url=foundation.endpoint_url, **ACCESS) as sqs,
        ):
            records = Records(dynamodb, foundation.videos_table)
            await records.take(video_id, lease, now=time.time(), attempt=True)
            work = Work(Metrics())
            keeper = LeaseKeeper(
                HeldVideo(records, video_id, lease, Turn(None, None, "")), message(sqs), VISIBILITY_SECONDS
            )
            beats = asyncio.create_task(keeper.keep(work))
            with work.in_stage(Stage.TRANSCODE):
                await asyncio.to_thread(wait_for, lambda: written() == work.progress, "the stage's beginning")
                begun = work.progress
                work.advance(0.005)
                await asyncio.sleep(A_TICK_AND_A_BIT)
                assert written() == begun < work.progress
                work.advance(0.02)
                await asyncio.to_thread(wait_for, lambda: written() == work.progress, "a hundredth")
            beats.cancel()
            with suppress(asyncio.CancelledError):
                await beats

    def message(sqs: Any) -> Message:
        queue = JobQueue(sqs, foundation.queue_url, visibility_timeout=VISIBILITY_SECONDS)
        return Message(queue=queue, message_id="m", receipt="r", body="", received_at=0, receive_count=1, sent_at=0)

    def written() -> float:
        return videos.record(video_id).progress

    asyncio.run(run())
