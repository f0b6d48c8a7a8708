"""The worker dies, or is told to leave, at the worst moments: every video still becomes `ready`, once."""

import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.aws_proxy import AwsProxy, Seen, is_operation
from tests.worker.running import media_processes

from vodstack_contracts import moves
from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import FailureCode, Stage, Status
from vodstack_worker.scratch import Scratch

VISIBILITY_SECONDS = 2


def is_put_of(name: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.operation == "PutObject" and seen.path.split("?")[0].endswith(name)


def is_heartbeat(seen: Seen) -> bool:
    return seen.operation == "UpdateItem" and b":progress" in seen.body and b":status" not in seen.body


def start_transcoding(videos: Any, worker: Any, clip: Path) -> str:
    """A video whose transcoding has begun."""
    video_id = videos.upload(clip)
    videos.wait_for(
        lambda: videos.record(video_id).stage is Stage.TRANSCODE and media_processes(worker.scratch),
        "the transcoding to begin",
    )
    return video_id


def test_a_worker_told_to_leave_returns_its_message_at_once(videos: Any, workers: Any, long_clip: Path):
    worker = workers.start(VODSTACK_VISIBILITY_TIMEOUT_SECONDS="600")
    video_id = start_transcoding(videos, worker, long_clip)
    assert worker.terminate() == 0, worker.log()
    assert videos.waiting(videos.foundation.queue_url) == 1
    record = videos.record(video_id)
    assert record.status is Status.PROCESSING
    assert record.lease.expires_at == 0
    assert record.failures == 0
    assert media_processes(worker.scratch) == []
    assert list(worker.scratch.iterdir()) == []


def test_a_message_on_its_way_to_a_worker_told_to_leave_is_returned(
    videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path
):
    videos.sqs.purge_queue(QueueUrl=videos.foundation.queue_url)
    video_id = videos.upload(tiny_clip)
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, VODSTACK_VISIBILITY_TIMEOUT_SECONDS="600")

    def tell_to_leave() -> None:
        worker.process.send_signal(signal.SIGTERM)
        videos.wait_for(lambda: worker.get("/readyz")[0] == 503, "the worker to take note")

    proxy.intercept(is_operation("ReceiveMessage"), nth=1, after=tell_to_leave)
    assert worker.process.wait(60) == 0, worker.log()
    assert videos.waiting(videos.foundation.queue_url) == 1
    assert videos.record(video_id).failures == 0


@pytest.mark.prove
def test_a_heartbeat_on_its_way_does_not_hide_a_message_that_is_returned(
    videos: Any, workers: Any, proxy: AwsProxy, long_clip: Path
):
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, VODSTACK_VISIBILITY_TIMEOUT_SECONDS="8")

    def hold() -> None:
        """For as long as the worker may need to leave without an answer."""
        worker.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(2)

    proxy.intercept(is_operation("ChangeMessageVisibility"), nth=1, before=hold)
    videos.upload(long_clip)
    assert worker.process.wait(60) == 0, worker.log()
    assert videos.waiting(videos.foundation.queue_url) == 1


def test_a_killed_worker_leaves_no_ffmpeg_behind(videos: Any, workers: Any, long_clip: Path):
    worker = workers.start()
    start_transcoding(videos, worker, long_clip)
    worker.kill()
    videos.wait_for(lambda: not media_processes(worker.scratch), "ffmpeg to die with its worker")


def test_the_work_stops_when_the_video_is_deleted(videos: Any, workers: Any, long_clip: Path):
    worker = workers.start()
    video_id = start_transcoding(videos, worker, long_clip)
    videos.change(moves.move(video_id, Status.DELETED))
    videos.wait_for(lambda: not media_processes(worker.scratch), "ffmpeg to be stopped")
    videos.wait_for(videos.queue_is_empty, "the message to be dropped")
    assert worker.figure('vodstack_worker_heartbeats_lost_total{reason="ended"}') == 1
    assert worker.figure('vodstack_worker_encodes_total{ending="stopped"}') == 1
    assert videos.record(video_id).status is Status.DELETED
    assert videos.keys(rendition_prefix(video_id)) == set()


def test_what_was_published_of_a_deleted_video_is_withdrawn(
    videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path
):
    video_id = ""

    def delete() -> None:
        videos.change(moves.move(video_id, Status.DELETED))

    proxy.intercept(is_put_of("master.m3u8"), nth=1, after=delete)
    video_id = videos.upload(tiny_clip)
    workers.start(AWS_ENDPOINT_URL=proxy.url)
    videos.wait_until(video_id, Status.DELETED)
    videos.wait_for(videos.queue_is_empty, "the message to be dropped")
    assert videos.keys(rendition_prefix(video_id)) == set()


def test_the_work_stops_before_somebody_else_may_begin_when_heartbeats_fail(
    videos: Any, workers: Any, proxy: AwsProxy, long_clip: Path
):
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url)
    proxy.intercept(is_heartbeat, status=400)
    video_id = start_transcoding_by_processes(videos, worker, long_clip)
    videos.wait_for(lambda: not media_processes(worker.scratch), "ffmpeg to be stopped")
    assert videos.record(video_id).status is Status.PROCESSING
    lost = 'vodstack_worker_heartbeats_lost_total{reason="unreachable"}'
    videos.wait_for(lambda: worker.figure(lost) == 1, "the loss to be counted")


def start_transcoding_by_processes(videos: Any, worker: Any, clip: Path) -> str:
    """As above where no heartbeat tells of the stage; before it is ready, the worker tries its media tools."""
    worker.wait_until_ready()
    video_id = videos.upload(clip)
    videos.wait_for(lambda: media_processes(worker.scratch), "a media process")
    return video_id


def test_an_unreachable_queue_is_tried_again_until_it_answers(
    videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path
):
    refusal = proxy.intercept(is_operation("ReceiveMessage"), status=500)
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url)
    video_id = videos.upload(tiny_clip)
    videos.wait_for(lambda: worker.figure("worker_errors_total") >= 1, "the error to be counted")
    assert worker.get("/readyz")[0] == 503
    assert worker.get("/livez")[0] == 200
    assert refusal.count >= 1
    proxy.clear()
    videos.wait_until(video_id, Status.READY)


def test_failures_of_the_workers_own_are_counted_and_end_in_failed(videos: Any, workers: Any, long_clip: Path):
    worker = workers.start(VODSTACK_MAX_FAILURES="2")
    worker.wait_until_ready()
    video_id = videos.upload(long_clip)

    def ended_by_killing() -> bool:
        for process in media_processes(worker.scratch):
            with suppress(psutil.Error):
                found = psutil.Process(process)
                if "libx264" in found.cmdline():
                    found.send_signal(signal.SIGSEGV)
        return videos.record(video_id).status is Status.FAILED

    videos.wait_for(ended_by_killing, "the video to fail")
    record = videos.record(video_id)
    assert record.error.code is FailureCode.PROCESSING_FAILED, worker.log()
    assert record.attempts == 2
    assert record.setback.startswith("encode: ")
    # A crash over a video is followed by one other way, within the attempt.
    assert worker.figure('vodstack_worker_encodes_total{ending="killed"}') == 4
    assert worker.figure('vodstack_worker_retries_total{reason="counted"}') == 1
    assert worker.figure('vodstack_worker_failures_total{code="processing_failed"}') == 1
    videos.wait_for(videos.queue_is_empty, "the message to be deleted")


def test_folders_of_dead_workers_are_swept_and_those_of_living_ones_are_not(scratch: Scratch, tmp_path: Path):
    root = tmp_path / "scratch"
    dead = root / "worker-dead"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "source").write_bytes(b"x")
    with scratch.job() as folder:
        (folder / "source").write_bytes(b"x")
        other = Scratch(root, jobs=1, job_bytes=1, uid=65_534)
        assert (folder / "source").exists()
        assert other.swept == 1
        other.close()
    assert not dead.exists()
