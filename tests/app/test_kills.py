"""SIGKILL at each write of an upload: when it is made, and its answer not yet known."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from tests.app.conftest import ApiProcess
from tests.aws_proxy import AwsProxy, is_write
from tests.conftest import Foundation

from vodstack_contracts.jobs import decode_arrivals
from vodstack_contracts.videos import Status

SMALL = b"0"
SMALL_WRITES = 3
TWO_PARTS = b"0" * (5 * 1024 * 1024 + 1)
WRITES = 7


@pytest.fixture
def proxy(foundation: Foundation) -> Iterator[AwsProxy]:
    with AwsProxy(foundation.endpoint_url) as running:
        yield running


# What stands after one write is what stands before the next.
@pytest.mark.parametrize(
    ("content", "moment", "nth"),
    [
        (SMALL, "after", SMALL_WRITES - 1),
        (TWO_PARTS, "after", WRITES - 1),
        *(
            pytest.param(content, moment, nth, marks=pytest.mark.prove)
            for content, moment, nth in [
                (SMALL, "before", 1),
                *((SMALL, "after", nth) for nth in (*range(1, SMALL_WRITES - 1), SMALL_WRITES)),
                *((TWO_PARTS, "after", nth) for nth in (*range(1, WRITES - 1), WRITES)),
            ]
        ),
    ],
    ids=lambda value: len(value) if isinstance(value, bytes) else None,
)
def test_a_kill_loses_no_arrived_video_and_leaves_nothing_that_lasts(
    start_process: Callable[..., ApiProcess], proxy: AwsProxy, content: bytes, moment: str, nth: int
):
    api = start_process(AWS_ENDPOINT_URL=proxy.url)

    def kill() -> None:
        api.process.kill()
        api.process.wait()

    before, after = (kill, None) if moment == "before" else (None, kill)
    # What is killed before its write must not have written.
    status = 503 if before else None
    killed = proxy.intercept(is_write, nth=nth, before=before, after=after, status=status)
    with pytest.raises(httpx.TransportError):
        api.upload(content)
    assert killed.count >= nth
    objects, records = api.objects(), api.records()
    if objects:
        (record,) = records
        assert objects == [f"originals/{record.video_id}/source"]
        assert record.status in {Status.UPLOADING, Status.QUEUED}
        assert record.video_id in _arrivals(api)
    else:
        assert all(record.expires_at and record.expires_at > time.time() for record in records)
        assert all(record.status is Status.UPLOADING for record in records)


def test_a_kill_right_after_the_answer_loses_nothing(start_process: Callable[..., ApiProcess]):
    api = start_process()
    video_id = api.upload(TWO_PARTS).json()["videoId"]
    api.process.kill()
    (record,) = api.records()
    assert (record.video_id, record.status, record.expires_at) == (video_id, Status.QUEUED, None)
    assert api.original(video_id) == TWO_PARTS
    assert video_id in _arrivals(api)


def _arrivals(api: ApiProcess) -> set[str]:
    sqs = api.foundation.client("sqs")
    answer = sqs.receive_message(QueueUrl=api.foundation.queue_url, WaitTimeSeconds=5, MaxNumberOfMessages=10)
    told = [decode_arrivals(message["Body"]) for message in answer.get("Messages", [])]
    return {arrival.video_id for arrivals in told for arrival in arrivals}
