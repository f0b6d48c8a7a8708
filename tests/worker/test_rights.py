"""The worker's rights and its calls are the same: what it never does it may not do, and what it does it may."""

from pathlib import Path
from typing import Any

from tests.aws_calls import called, granted, words
from tests.aws_proxy import AwsProxy
from tests.worker.running import SMALL_CHUNKS
from tests.worker.test_sweep import forget

from vodstack_contracts.objects import rendition_key
from vodstack_contracts.videos import Status
from vodstack_platform.access import worker_statements

# Done where something broke, which nothing does below: a chunk is encoded again (test_reopening.py).
WHERE_SOMETHING_BROKE = {("dynamodb:DeleteItem", "work")}


async def test_the_worker_calls_all_that_it_may_and_nothing_else(
    videos: Any, workers: Any, proxy: AwsProxy, film: Path
):
    expected = await granted(worker_statements(words()))
    video_id, bucket = videos.upload(film), videos.foundation.bucket
    # What a worker that died has left: an open upload, a file of another plan. A message that is lost, and nonsense.
    videos.s3.create_multipart_upload(Bucket=bucket, Key=rendition_key(video_id, "video.mp4"))
    videos.s3.put_object(Bucket=bucket, Key=rendition_key(video_id, "hls/of-another-plan.m4s"))
    forget(videos, Status.QUEUED)
    videos.sqs.send_message(QueueUrl=videos.foundation.chunks_queue_url, MessageBody="{}")
    worker = workers.start(**SMALL_CHUNKS, AWS_ENDPOINT_URL=proxy.url)
    record = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert record.status is Status.READY, worker.log()
    videos.wait_for(
        lambda: worker.get("/metrics") and expected <= called(proxy.seen, videos.foundation) | WHERE_SOMETHING_BROKE,
        f"{expected - called(proxy.seen, videos.foundation)}",
    )
    assert called(proxy.seen, videos.foundation) | WHERE_SOMETHING_BROKE == expected
