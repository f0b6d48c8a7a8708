"""SIGKILL and SIGTERM at every write of a job: before it reaches AWS, and after it did but before the answer.

The writes are those that a first, undisturbed run is seen to make. Whoever takes over from a victim is the next one.
"""

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.aws_proxy import AwsProxy, Seen, is_operation, is_write
from tests.worker.running import Videos, WorkerProcess, Workers
from tests.worker.test_chaos import published
from tests.worker.test_sweep import LONG_AGO

from vodstack_contracts import moves
from vodstack_contracts.objects import original_key, rendition_prefix
from vodstack_contracts.videos import Status, VideoRecord, new_video_id

SIDES = ["before", "after"]
BRIEF_SECONDS = 2
FOREVER_SECONDS = 600
TAKE, READY, DELETE = "UpdateItem processing", "UpdateItem ready", "DeleteMessage"
NO_VIDEO = b"Dear diary, this is no video.\n"
# After these nothing is left to be done again.
FINAL = {(READY, "after"), ("UpdateItem failed", "after"), (DELETE, "before"), (DELETE, "after")}


def name_of(seen: Seen) -> str:
    """A write by what it does, whatever its order and the video's id."""
    if seen.operation == "UpdateItem":
        update = json.loads(seen.body)
        moved = update["ExpressionAttributeValues"].get(":status")
        return f"UpdateItem {moved['S'] if moved else update['UpdateExpression']}"
    if seen.operation == "ChangeMessageVisibility":
        return f"{seen.operation} {json.loads(seen.body)['VisibilityTimeout']}"
    return f"{seen.operation} {seen.path.split('?')[0].partition('renditions/')[2].partition('/')[2]}".strip()


@dataclass(frozen=True)
class Way:
    """How a job goes: what befalls it, and whether its worker leaves in the middle of it."""

    disturb: Callable[["Walk"], object] = lambda _: None
    leaves: bool = False
    is_video: bool = True


@dataclass
class Walk:
    """One worker at a time, each behind the proxy."""

    videos: Videos
    workers: Workers
    proxy: AwsProxy
    clip: Path
    visibility_seconds: int = BRIEF_SECONDS
    worker: WorkerProcess = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        visibility = str(self.visibility_seconds)
        self.worker = self.workers.start(
            AWS_ENDPOINT_URL=self.proxy.url, VODSTACK_VISIBILITY_TIMEOUT_SECONDS=visibility, VODSTACK_JOBS="1"
        )

    def begin(self, way: Way) -> str:
        way.disturb(self)
        return self.videos.upload(self.clip if way.is_video else NO_VIDEO)

    def writes_of(self, way: Way) -> list[str]:
        """Every write of a job, in the order of its first time."""
        self.proxy.clear()
        video_id = self.begin(way)
        if way.leaves:
            assert self.worker.process.wait(60) == 0, self.worker.log()
            self.start()
        self.require_end(video_id)
        return list(dict.fromkeys(name_of(seen) for seen in self.proxy.seen if is_write(seen)))

    def intercept(self, point: str, side: str, blow: Callable[[], object]) -> None:
        """Let the blow fall at the first time of a write."""
        self.proxy.clear()
        # Nobody hears the answer that keeps a write from AWS: its sender is dead.
        how: dict[str, Any] = {"before": blow, "status": 503} if side == "before" else {"after": blow}
        self.proxy.intercept(lambda seen: is_write(seen) and name_of(seen) == point, nth=1, **how)

    def strike(self, way: Way, point: str, side: str, blow: Callable[[], object]) -> str:
        self.intercept(point, side, blow)
        return self.begin(way)

    def kill(self, way: Way, point: str, side: str) -> None:
        victim = self.worker
        video_id = self.strike(way, point, side, victim.kill)
        assert victim.process.wait(60) == -signal.SIGKILL, (point, victim.log())
        self.start()
        self.require_end(video_id)
        taken_over = self.said(video_id, "taken", self.worker) > 0
        assert taken_over == ((point, side) not in FINAL), (point, self.worker.log())

    def require_end(self, video_id: str) -> None:
        """The video came to its end, once, and left nothing that its record does not name."""
        record = self.videos.wait_until(video_id, Status.READY, Status.FAILED)
        assert (record.lease, record.failures) == (None, 0), self.worker.log()
        self.videos.wait_for(self.videos.queue_is_empty, "the message to be deleted")
        named = published(self.videos, video_id) if record.status is Status.READY else set[str]()
        assert self.videos.keys(rendition_prefix(video_id)) == named
        assert "Uploads" not in self.videos.s3.list_multipart_uploads(Bucket=self.videos.foundation.bucket)
        assert self.said(video_id, "ready") <= 1
        self.worker.wait_until_ready()
        (folder,) = self.worker.scratch.iterdir()
        assert [path.name for path in folder.iterdir()] == ["lock"]

    def said(self, video_id: str, event: str, *workers: WorkerProcess) -> int:
        """How often they, or all workers so far, told of an event of the video."""
        lines = (json.loads(line) for each in workers or self.workers.started for line in each.log().splitlines())
        return sum(line.get("video_id") == video_id and line["event"] == event for line in lines)

    def leave(self) -> None:
        self.worker.wait_until_ready()
        assert self.worker.terminate() == 0, self.worker.log()
        assert list(self.worker.scratch.iterdir()) == []


def refuse_the_original_once(walk: Walk) -> None:
    walk.proxy.intercept(is_operation("GetObject"), nth=1, status=400)


def tell_to_leave_at_the_first_file(walk: Walk) -> None:
    walk.proxy.intercept(is_operation("PutObject"), nth=1, after=walk.worker.process.terminate)


PLAIN = Way()
WAYS = {
    "is no video": Way(is_video=False),
    "is tried again": Way(disturb=refuse_the_original_once),
    "is handed back": Way(disturb=tell_to_leave_at_the_first_file, leaves=True),
}


@pytest.mark.prove
def test_a_killed_workers_video_becomes_ready(videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path):
    walk = Walk(videos, workers, proxy, tiny_clip)
    for point, side in [(TAKE, "after"), ("PutObject hls/master.m3u8", "before"), (READY, "after")]:
        walk.kill(PLAIN, point, side)
    walk.leave()


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("side", SIDES)
def test_a_video_becomes_ready_at_whichever_write_its_worker_is_killed(
    side: str, videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path
):
    walk = Walk(videos, workers, proxy, tiny_clip)
    points = walk.writes_of(PLAIN)
    assert {TAKE, "PutObject video.mp4", "PutObject hls/master.m3u8", READY, DELETE} < set(points)
    assert any(point.startswith("ChangeMessageVisibility") for point in points), points
    for point in points:
        walk.kill(PLAIN, point, side)
    walk.leave()


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", WAYS)
def test_a_video_comes_to_its_end_when_a_worker_is_killed_while_its_job(
    name: str, side: str, *, videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path
):
    walk = Walk(videos, workers, proxy, tiny_clip)
    usual = walk.writes_of(PLAIN)
    points = [point for point in walk.writes_of(WAYS[name]) if point not in usual]
    assert points
    for point in points:
        walk.kill(WAYS[name], point, side)
    walk.leave()


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("side", SIDES)
def test_no_message_is_hidden_at_whichever_write_its_worker_is_told_to_leave(
    side: str, videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path
):
    walk = Walk(videos, workers, proxy, tiny_clip, visibility_seconds=FOREVER_SECONDS)
    # How often the heart beats in so short a job is a matter of its speed.
    points = [point for point in walk.writes_of(PLAIN) if "SET" not in point]
    for point in points:
        video_id = walk.strike(PLAIN, point, side, lambda: told_to_leave(walk))
        assert walk.worker.process.wait(60) == 0, (point, walk.worker.log())
        record = videos.record(video_id)
        if record.status is not Status.READY:
            assert record.lease is None or record.lease.expires_at == 0, point
            assert videos.waiting(videos.foundation.queue_url) == 1, point
        walk.start()
        walk.require_end(video_id)
    walk.leave()


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("side", SIDES)
def test_a_forgotten_video_becomes_ready_at_whichever_write_the_sweep_is_killed(
    side: str, videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path
):
    workers.environment["VODSTACK_RESEND_AFTER_SECONDS"] = "4"
    walk = Walk(videos, workers, proxy, tiny_clip)
    for point in ["PutItem", "SendMessage", "UpdateItem SET #updated_at = :updated_at"]:
        record = VideoRecord(video_id=new_video_id(), status=Status.QUEUED, upload_date=LONG_AGO, updated_at=LONG_AGO)
        videos.s3.upload_file(str(tiny_clip), videos.foundation.bucket, original_key(record.video_id))
        videos.wait_for(videos.queue_is_empty, "the message of a video that is not there yet to be dropped")
        walk.intercept(point, side, walk.worker.kill)
        videos.dynamodb.put_item(TableName=videos.foundation.videos_table, **moves.create(record))
        assert walk.worker.process.wait(60) == -signal.SIGKILL, point
        walk.start()
        walk.require_end(record.video_id)
    walk.leave()


def told_to_leave(walk: Walk) -> None:
    walk.worker.process.send_signal(signal.SIGTERM)
    walk.videos.wait_for(lambda: walk.worker.get("/readyz")[0] == 503, "the worker to take note")
