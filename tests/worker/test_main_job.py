"""The main job: an original arrives, renditions come out, the record says so."""

import re
from pathlib import Path
from typing import Any

import av

from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import EncodePlan, FailureCode, Status, Way, new_video_id


def test_an_original_becomes_ready_with_everything_that_its_record_names(
    videos: Any, workers: Any, clip: Path, tmp_path: Path
):
    worker = workers.start()
    video_id = videos.upload(clip)
    record = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert record.status is Status.READY, worker.log()
    assert record.lease is None
    assert record.progress == 1.0
    assert record.plan == EncodePlan(way=Way.ONE_PASS, reason="short")
    assert [(rendition.name, rendition.width, rendition.height) for rendition in record.renditions] == [
        ("360p", 640, 360),
        ("240p", 426, 240),
    ]
    assert record.source
    assert record.source.video_codec == "h264"
    assert set(record.stage_seconds) == {"download", "probe", "transcode", "publish"}

    folder = videos.fetch(rendition_prefix(video_id), tmp_path / "published")
    with av.open(str(folder / "video.mp4")) as mp4:
        assert abs((mp4.duration or 0) / 1e6 - 2.0) <= 1 / 30
        assert {stream.codec_context.name for stream in mp4.streams} == {"h264", "aac"}
    data = (folder / "video.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the MP4 must start playing before it is whole"
    master = (folder / "hls/master.m3u8").read_text()
    for named in re.findall(r'^(?!#)(\S+)$|URI="([^"]+)"', master, re.MULTILINE):
        assert (folder / "hls" / "".join(named)).exists()
    assert {rendition.codecs for rendition in record.renditions} == set(re.findall(r"avc1\.[0-9a-f]{6}", master))

    videos.wait_for(videos.queue_is_empty, "the message to be deleted")


def test_what_is_no_video_becomes_failed_with_a_code_and_a_sentence(videos: Any, workers: Any):
    worker = workers.start()
    video_id = videos.upload(b"Dear diary, this is no video.\n" * 100)
    record = videos.wait_until(video_id, Status.FAILED, Status.READY)
    assert record.error.code is FailureCode.NOT_A_VIDEO, worker.log()
    assert "Upload one of MP4" in record.error.message
    videos.wait_for(videos.queue_is_empty, "the message to be deleted")


def test_the_first_message_of_a_video_wins_and_repeats_are_dropped(videos: Any, workers: Any, clip: Path):
    worker = workers.start()
    video_id = videos.upload(clip)
    videos.send_again(video_id)
    videos.wait_until(video_id, Status.READY)
    videos.wait_for(videos.queue_is_empty, "both messages to be deleted")
    assert videos.record(video_id).attempts == 1
    videos.wait_for(
        lambda: worker.figure('vodstack_worker_jobs_total{outcome="dropped"}') == 1, "the repeat to be counted"
    )
    assert worker.figure('vodstack_worker_jobs_total{outcome="ready"}') == 1


def test_a_message_of_a_deleted_or_unknown_video_is_dropped(videos: Any, workers: Any):
    videos.send_again(new_video_id())
    video_id = videos.upload(b"anything", Status.DELETED)
    workers.start()
    videos.wait_for(videos.queue_is_empty, "the messages to be deleted")
    assert videos.record(video_id).status is Status.DELETED


def test_a_malformed_message_ends_in_the_dead_letter_queue_and_blocks_nothing(
    videos: Any, workers: Any, foundation: Any, clip: Path
):
    videos.redrive_after(1)
    videos.sqs.send_message(QueueUrl=foundation.queue_url, MessageBody='{"Records": "of what?"}')
    worker = workers.start()
    video_id = videos.upload(clip)
    videos.wait_until(video_id, Status.READY)
    videos.wait_for(lambda: videos.waiting(foundation.dlq_url) == 1, "the message to be set aside")
    assert worker.figure("worker_errors_total") >= 1
    assert "malformed message" in worker.log()


def test_the_metrics_of_a_finished_job_are_exported(videos: Any, workers: Any, clip: Path):
    worker = workers.start()
    video_id = videos.upload(clip)
    videos.wait_until(video_id, Status.READY)
    videos.wait_for(lambda: worker.figure("worker_processing_duration_seconds_count") == 1, "the job to be counted")
    for stage in ("download", "probe", "transcode", "publish"):
        assert worker.figure(f'vodstack_worker_stage_duration_seconds_count{{stage="{stage}"}}') == 1
    assert worker.figure("vodstack_worker_jobs_in_flight") == 0
    assert worker.figure("vodstack_worker_queue_wait_seconds_count") == 1
    assert worker.figure("vodstack_worker_realtime_factor_sum") > 0
    assert worker.figure('vodstack_worker_bytes_total{direction="in"}') == clip.stat().st_size
    published = videos.s3.list_objects_v2(Bucket=videos.foundation.bucket, Prefix=rendition_prefix(video_id))
    sizes = sum(each["Size"] for each in published["Contents"])
    assert worker.figure('vodstack_worker_bytes_total{direction="out"}') == sizes
    assert worker.get("/livez")[0] == 200


def test_the_depth_of_both_queues_is_exported(videos: Any, workers: Any):
    videos.sqs.purge_queue(QueueUrl=videos.foundation.queue_url)
    for _ in range(3):
        videos.send_again(new_video_id(), delay=900)
    videos.sqs.send_message(QueueUrl=videos.foundation.chunks_queue_url, MessageBody="{}", DelaySeconds=900)
    worker = workers.start()
    for queue, delayed in (("", 3), ("chunk_", 1)):
        name = f"vodstack_{queue}queue_messages"
        videos.wait_for(lambda name=name, delayed=delayed: worker.figure(f'{name}{{state="delayed"}}') == delayed, name)
        assert worker.figure(f"vodstack_{queue}queue_age_seconds") == 0


def test_a_missing_setting_ends_the_worker_with_one_sentence(workers: Any):
    del workers.environment["SQS_QUEUE_URL"]
    worker = workers.start(VODSTACK_JOBS="many")
    assert worker.process.wait(30) == 2
    assert "set SQS_QUEUE_URL in the environment" in worker.log()
    assert "VODSTACK_JOBS" in worker.log()
    assert "Traceback" not in worker.log()
