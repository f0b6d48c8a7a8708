"""Videos whose message is lost are found, and nobody else is bothered."""

from pathlib import Path
from typing import Any

from tests.aws_proxy import AwsProxy, is_operation

from vodstack_contracts import moves
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Lease, Status, VideoRecord, new_video_id

LONG_AGO = "2020-01-01T00:00:00.000Z"
SWEEP = {"VODSTACK_RESEND_AFTER_SECONDS": "4"}


def forget(videos: Any, status: Status, *, updated_at: str = LONG_AGO, lease: Lease | None = None) -> str:
    """A record without a message."""
    video_id = new_video_id()
    record = VideoRecord(video_id=video_id, status=status, upload_date=LONG_AGO, updated_at=updated_at, lease=lease)
    videos.dynamodb.put_item(TableName=videos.foundation.videos_table, **moves.create(record))
    return video_id


def test_forgotten_videos_become_ready(videos: Any, workers: Any, clip: Path):
    lapsed = Lease(token="t", message_id="m", expires_at=1.0)
    forgotten = [
        forget(videos, Status.QUEUED),
        forget(videos, Status.UPLOADING),
        forget(videos, Status.PROCESSING, lease=lapsed),
    ]
    for video_id in forgotten:
        videos.s3.upload_file(str(clip), videos.foundation.bucket, original_key(video_id))
    videos.sqs.purge_queue(QueueUrl=videos.foundation.queue_url)
    # Long enough for all of them to become ready before any looks forgotten again.
    worker = workers.start(VODSTACK_RESEND_AFTER_SECONDS="360")
    for video_id in forgotten:
        videos.wait_until(video_id, Status.READY)
    assert worker.figure("vodstack_worker_arrivals_resent_total") == len(forgotten)


def test_what_is_worked_on_new_or_not_there_is_left_alone(videos: Any, workers: Any):
    held = Lease(token="t", message_id="m", expires_at=4_000_000_000.0)
    alone = {
        forget(videos, Status.PROCESSING, lease=held),
        forget(videos, Status.QUEUED, updated_at="2099-01-01T00:00:00.000Z"),
        forget(videos, Status.UPLOADING),
        forget(videos, Status.READY),
        forget(videos, Status.DELETED),
    }
    worker = workers.start(**SWEEP)
    videos.wait_for(lambda: '"swept"' in worker.log(), "the sweep")
    assert worker.figure("vodstack_worker_arrivals_resent_total") == 0
    assert {videos.record(each).attempts for each in alone} == {0}


def test_workers_take_turns(videos: Any, workers: Any):
    turn = {"pk": {"S": "sweep"}, "sk": {"S": "arrivals"}, "expires_at": {"N": "4000000000"}}
    videos.dynamodb.put_item(TableName=videos.foundation.work_table, Item=turn)
    with AwsProxy(videos.foundation.endpoint_url) as proxy:
        workers.start(**SWEEP, AWS_ENDPOINT_URL=proxy.url)
        videos.wait_for(lambda: len(proxy.operations(is_operation("PutItem"))) == 2, "the worker to ask twice")
        assert proxy.operations(is_operation("Scan")) == []
