"""A slot polls both queues at once, and nothing comes to harm by the poll that it leaves behind."""

import asyncio
import json
import threading
from typing import Any

import pytest
from aiobotocore.session import get_session
from tests.aws_proxy import AwsProxy, Seen
from tests.conftest import REGION

from vodstack_worker.inbox import Inbox
from vodstack_worker.messages import JobQueue

POLL_SECONDS = 1


@pytest.mark.parametrize(("receives", "hidden_seconds"), [(1, 0), (4, POLL_SECONDS)])
def test_what_a_left_poll_brings_is_returned_at_once_but_not_for_ever(
    receives: int, hidden_seconds: int, foundation: Any, videos: Any, proxy: AwsProxy
):
    """A message that only left polls of busy slots receive would be given up as if it had failed that often."""
    chunks, arrivals = foundation.chunks_queue_url, foundation.queue_url
    go_on = threading.Event()

    def is_left(seen: Seen) -> bool:
        asked = json.loads(seen.body)
        return seen.operation == "ReceiveMessage" and asked["QueueUrl"] == arrivals and asked["WaitTimeSeconds"] > 0

    def send_arrival() -> None:
        videos.sqs.send_message(QueueUrl=arrivals, MessageBody="arrival")
        for _ in range(receives - 1):
            videos.sqs.receive_message(QueueUrl=arrivals, VisibilityTimeout=0)
        go_on.set()

    async def leave_a_poll(inbox: Inbox) -> None:
        taking = asyncio.create_task(inbox.receive())
        await asyncio.to_thread(videos.wait_for, lambda: any(is_left(seen) for seen in proxy.seen), "both polls")
        await asyncio.to_thread(videos.sqs.send_message, QueueUrl=chunks, MessageBody="chunk")
        while await taking is None:
            taking = asyncio.create_task(inbox.receive())
        await asyncio.to_thread(send_arrival)
        await inbox.drain()

    async def run() -> None:
        settings: Any = {"region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        async with get_session().create_client("sqs", endpoint_url=proxy.url, **settings) as sqs:
            queues = [JobQueue(sqs, url, visibility_timeout=60) for url in (arrivals, chunks)]
            await leave_a_poll(Inbox(queues, POLL_SECONDS))

    videos.sqs.purge_queue(QueueUrl=arrivals)
    proxy.intercept(is_left, before=lambda: go_on.wait(30))
    asyncio.run(run())
    returned = [json.loads(seen.body) for seen in proxy.seen if seen.operation == "ChangeMessageVisibility"]
    assert [each["VisibilityTimeout"] for each in returned if each["QueueUrl"] == arrivals] == [hidden_seconds]
