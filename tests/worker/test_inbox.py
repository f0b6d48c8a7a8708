"""A slot polls both queues at once, and nothing comes to harm by the poll that it leaves behind."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from tests.aws_proxy import AwsProxy, Seen
from tests.conftest import REGION

from vodstack_worker.inbox import Inbox
from vodstack_worker.messages import JobQueue

POLL_SECONDS = 1


def with_sqs(endpoint_url: str, work: Callable[[Any], Awaitable[None]]) -> None:
    async def run() -> None:
        settings: Any = {"region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        async with get_session().create_client("sqs", endpoint_url=endpoint_url, **settings) as sqs:
            await work(sqs)

    asyncio.run(run())


def test_a_queue_that_cannot_be_reached_does_not_keep_a_slot_from_the_other(foundation: Any, videos: Any):
    videos.sqs.purge_queue(QueueUrl=foundation.queue_url)
    for number in range(3):
        videos.sqs.send_message(QueueUrl=foundation.queue_url, MessageBody=str(number))

    async def receive(sqs: Any) -> None:
        urls = [foundation.queue_url, f"{foundation.chunks_queue_url}-gone"]
        inbox = Inbox([JobQueue(sqs, url, visibility_timeout=60) for url in urls], POLL_SECONDS)
        received: set[str] = set()
        for _ in range(6):
            with suppress(ClientError):
                message = await inbox.receive()
                received |= {message.body} if message else set()
        assert received == {"0", "1", "2"}

    with_sqs(foundation.endpoint_url, receive)


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

    async def run(sqs: Any) -> None:
        queues = [JobQueue(sqs, url, visibility_timeout=60) for url in (arrivals, chunks)]
        await leave_a_poll(Inbox(queues, POLL_SECONDS))

    videos.sqs.purge_queue(QueueUrl=arrivals)
    proxy.intercept(is_left, before=lambda: go_on.wait(30))
    with_sqs(proxy.url, run)
    returned = [json.loads(seen.body) for seen in proxy.seen if seen.operation == "ChangeMessageVisibility"]
    assert [each["VisibilityTimeout"] for each in returned if each["QueueUrl"] == arrivals] == [hidden_seconds]
