"""SIGKILL at every write of a video in chunks, and chunks that do not fit: the video still becomes `ready`, once."""

import json
import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.aws_proxy import AwsProxy, Seen, is_operation, is_write
from tests.worker.running import SMALL_CHUNKS, Videos, WorkerProcess, Workers
from tests.worker.test_chaos import published

from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import Status, VideoRecord, Way

BRIEF_SECONDS = "2"
JOBS = 4
CHUNK_WRITES = frozenset({"SendMessageBatch"})
MULTIPART = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
SIDES = ["before", "after"]
# How often the heart beats in so short a job is a matter of its speed.
BEATS = re.compile(r"UpdateItem (record SET progress +progress stage .*|job#\d+ SET lease +lease)")


def is_any_write(seen: Seen) -> bool:
    return is_write(seen) or seen.operation in CHUNK_WRITES


def name_of(seen: Seen) -> str:
    """A write by what it does, whatever the video's and the plan's id."""
    if seen.operation in {"UpdateItem", "PutItem"}:
        request = json.loads(seen.body)
        key = request.get("Key") or request["Item"]
        number = request.get("ExpressionAttributeValues", {}).get(":number", {}).get("NS", [""])[0]
        what = re.sub(r"[^A-Za-z_ ]", "", request.get("UpdateExpression", ""))
        state = request.get("ExpressionAttributeValues", {}).get(":status", {}).get("S", "")
        return f"{seen.operation} {key.get('sk', {}).get('S', 'record')} {what} {number}{state}".rstrip()
    if seen.operation == "ChangeMessageVisibility":
        return seen.operation
    path = seen.path.split("?")[0].partition("renditions/")[2].partition("/")[2]
    return f"{seen.operation} {re.sub('[0-9a-f]{8}-', '', path)}".strip()


@dataclass
class Walk:
    """One worker at a time, each behind the proxy."""

    videos: Videos
    workers: Workers
    proxy: AwsProxy
    film: Path
    worker: WorkerProcess = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.worker = self.workers.start(
            AWS_ENDPOINT_URL=self.proxy.url,
            VODSTACK_VISIBILITY_TIMEOUT_SECONDS=BRIEF_SECONDS,
            VODSTACK_JOBS="1",
            **SMALL_CHUNKS,
        )

    def writes(self) -> list[str]:
        """Every write of an undisturbed job, in the order of its first time."""
        self.proxy.clear()
        self.require_end(self.videos.upload(self.film), kills=0)
        names = dict.fromkeys(name_of(seen) for seen in self.proxy.seen if is_any_write(seen))
        return [name for name in names if not BEATS.fullmatch(name)]

    def kill(self, point: str, side: str) -> None:
        self.proxy.clear()
        victim = self.worker
        how: dict[str, Any] = {"before": victim.kill, "status": 503} if side == "before" else {"after": victim.kill}
        self.proxy.intercept(lambda seen: is_any_write(seen) and name_of(seen) == point, nth=1, **how)
        video_id = self.videos.upload(self.film)
        assert victim.process.wait(60) == -signal.SIGKILL, (point, victim.log())
        self.start()
        self.require_end(video_id, kills=1)

    def require_end(self, video_id: str, *, kills: int) -> VideoRecord:
        """The video came to its end, once, by one plan, and left nothing that its record does not name."""
        record = self.videos.wait_until(video_id, Status.READY, Status.FAILED)
        assert (record.status, record.lease, record.failures) == (Status.READY, None, 0), self.worker.log()
        for url in (self.videos.foundation.queue_url, self.videos.foundation.chunks_queue_url):
            self.videos.wait_for(lambda url=url: self.videos.queue_is_empty(url), "the messages to be deleted")
        assert self.videos.keys(rendition_prefix(video_id)) == published(self.videos, video_id)
        assert "Uploads" not in self.videos.s3.list_multipart_uploads(Bucket=self.videos.foundation.bucket)
        encoded = self.chunks_encoded(video_id)
        assert sum(encoded.values()) <= JOBS + kills, encoded
        self.worker.wait_until_ready()
        assert {path.name for path in self.worker.scratch.glob("*/*")} == {"lock"}
        return record

    def chunks_encoded(self, video_id: str) -> Counter[int]:
        """How often each job of the plan was done, in all logs."""
        lines = (json.loads(line) for each in self.workers.started for line in each.log().splitlines())
        done = (line for line in lines if line["event"] == "chunk encoded" and line["video_id"] == video_id)
        return Counter(line["chunk"] for line in done)


@pytest.mark.prove
def test_a_worker_killed_after_its_last_chunk_leaves_the_rest_to_the_next(
    videos: Any, workers: Any, proxy: AwsProxy, film: Path
):
    Walk(videos, workers, proxy, film).kill("UpdateItem done ADD done number SET result  result 2", "after")


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("side", SIDES)
def test_a_video_in_chunks_becomes_ready_at_whichever_write_a_worker_is_killed(
    side: str, videos: Any, workers: Any, proxy: AwsProxy, film: Path
):
    walk = Walk(videos, workers, proxy, film)
    points = walk.writes()
    assert {"SendMessageBatch", "PutItem plan", "PutObject hls/90p/00001.m4s"} < set(points)
    assert {f"{each} video.mp4" for each in MULTIPART} < set(points)
    for point in points:
        walk.kill(point, side)


@pytest.mark.prove
def test_chunk_jobs_that_come_twice_are_done_once(videos: Any, workers: Any, proxy: AwsProxy, film: Path):
    walk = Walk(videos, workers, proxy, film)
    second = walk.workers.start(AWS_ENDPOINT_URL=proxy.url, **SMALL_CHUNKS)

    def send_again() -> None:
        (batch,) = [json.loads(seen.body) for seen in proxy.seen if seen.operation == "SendMessageBatch"]
        videos.sqs.send_message_batch(**batch)

    proxy.intercept(is_operation("SendMessageBatch"), nth=1, after=send_again)
    video_id = videos.upload(film)
    walk.require_end(video_id, kills=0)
    assert walk.chunks_encoded(video_id) == {0: 1, 1: 1, 2: 1, 3: 1}, second.log()


@pytest.mark.prove
def test_lost_chunk_jobs_are_sent_again_with_the_arrival(videos: Any, workers: Any, proxy: AwsProxy, film: Path):
    walk = Walk(videos, workers, proxy, film)
    victim = walk.worker
    proxy.intercept(is_operation("SendMessageBatch"), nth=1, status=200, before=victim.kill)
    video_id = videos.upload(film)
    victim.process.wait(60)
    videos.sqs.purge_queue(QueueUrl=videos.foundation.queue_url)
    assert videos.record(video_id).plan.way is Way.CHUNKS
    videos.send_again(video_id)
    walk.start()
    walk.require_end(video_id, kills=1)


@pytest.mark.prove
def test_chunks_that_do_not_fit_lead_to_one_pass_and_the_record_says_why(
    videos: Any, workers: Any, proxy: AwsProxy, film: Path
):
    def misplace() -> None:
        """Let the second chunk begin to read behind its first frame."""
        (item,) = [
            json.loads(seen.body)["Item"]
            for seen in proxy.seen
            if seen.operation == "PutItem" and name_of(seen) == "PutItem plan"
        ]
        plan = json.loads(item["plan"]["S"])
        plan["chunks"][1]["seek"] = 7.0
        item["plan"]["S"] = json.dumps(plan)
        videos.dynamodb.put_item(TableName=videos.foundation.work_table, Item=item)

    proxy.intercept(lambda seen: name_of(seen) == "PutItem plan", after=misplace)
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, **SMALL_CHUNKS)
    video_id = videos.upload(film)
    record = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert record.status is Status.READY, worker.log()
    assert record.plan.way is Way.ONE_PASS
    assert record.plan.reason.startswith("chunk 1: ")
    assert record.plan.reason.endswith(".m4s begins at 70000 of 10000, not 40000")
    assert record.attempts == 1
    assert record.failures == 0
    for url in (videos.foundation.queue_url, videos.foundation.chunks_queue_url):
        videos.wait_for(lambda url=url: videos.queue_is_empty(url), "the messages to be deleted")
    assert videos.keys(rendition_prefix(video_id)) == published(videos, video_id)
    assert worker.figure('vodstack_worker_plans_total{way="fallen_back"}') == 1
    assert worker.figure('vodstack_worker_retries_total{reason="mismatch"}') == 1


@pytest.mark.prove
def test_a_worker_told_to_leave_returns_its_chunk_at_once(videos: Any, workers: Any, proxy: AwsProxy, film: Path):
    forever = {**SMALL_CHUNKS, "VODSTACK_VISIBILITY_TIMEOUT_SECONDS": "600", "VODSTACK_JOBS": "1"}
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, **forever)
    proxy.intercept(is_operation("PutObject"), nth=1, before=worker.process.terminate)
    video_id = videos.upload(film)
    assert worker.process.wait(60) == 0, worker.log()
    waiting = videos.waiting(videos.foundation.chunks_queue_url)
    assert waiting == JOBS - worker.log().count("chunk encoded")
    workers.start(**forever)
    assert videos.wait_until(video_id, Status.READY, Status.FAILED).status is Status.READY
