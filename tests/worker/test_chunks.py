"""A long video is encoded as chunks by whoever is free, and nobody can tell from the result."""

import re
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest
from tests.aws_proxy import AwsProxy, is_operation
from tests.worker.running import SMALL_CHUNKS
from tests.worker.test_audio_renditions import heard, pitch

from vodstack_contracts import moves
from vodstack_contracts.jobs import ChunkJob, encode_chunk
from vodstack_contracts.objects import rendition_key, rendition_prefix
from vodstack_contracts.videos import Deletion, FailureCode, Status, Way


def named(folder: Path, playlist: str) -> set[str]:
    """Every file that a playlist, or one that it names, names."""
    found = {playlist}
    text = (folder / playlist).read_text()
    for line, quoted in re.findall(r'^(?!#)(\S+)$|URI="([^"]+)"', text, re.MULTILINE):
        path = (Path(playlist).parent / (line or quoted)).as_posix()
        found |= named(folder, path) if path.endswith(".m3u8") else {path}
    return found


def scarce(film: Path) -> dict[str, str]:
    """Scratch that is too small for one pass, and holds what one chunk becomes, or the audio."""
    return {"VODSTACK_SCRATCH_BYTES": str(film.stat().st_size)}


def test_a_long_video_is_encoded_in_chunks_whatever_its_size(videos: Any, workers: Any, film: Path, tmp_path: Path):
    video_id = videos.upload(film)
    left_open = rendition_key(video_id, "video.mp4")
    videos.s3.create_multipart_upload(Bucket=videos.foundation.bucket, Key=left_open)
    worker = workers.start(**SMALL_CHUNKS, **scarce(film), VODSTACK_JOBS="1")
    record = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert record.status is Status.READY, worker.log()
    assert record.plan.way is Way.CHUNKS
    assert record.plan.chunks == 3
    assert re.findall(r'"chunk": (\d+), .*"chunk taken"', worker.log()) == ["3", "0", "1", "2"]
    assert record.attempts == 1
    assert record.progress == 1.0
    assert set(record.stage_seconds) == {"probe", "transcode", "publish"}
    assert [rendition.name for rendition in record.renditions] == ["90p"]
    assert record.renditions[0].size_bytes > 0

    folder = videos.fetch(rendition_prefix(video_id), tmp_path / "published")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == named(folder, "hls/master.m3u8") | {
        *("video.mp4", "poster.jpg", "hls/manifest.mpd", "thumbnails/index.vtt", "thumbnails/000.jpg")
    }
    assert [(each.language, each.label) for each in record.playback.captions] == [("en", "en")]
    assert [(each.language, each.default) for each in record.playback.audio] == [("en", True), ("de", False)]
    spoken = [folder / "hls" / name / "index.m3u8" for name in ("audio", "audio-1")]
    assert [pitch(heard(path)) for path in spoken] == [440, 1320]
    assert pitch(heard(folder / "video.mp4")) == 440
    assert "00:00:09.100 --> 00:00:09.900\nlast\n" in (folder / "hls/captions/0.vtt").read_text()
    assert record.playback.mp4_size_bytes == (folder / "video.mp4").stat().st_size > film.stat().st_size // 2
    assert "Uploads" not in videos.s3.list_multipart_uploads(Bucket=videos.foundation.bucket)
    sent = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert worker.figure('vodstack_worker_bytes_total{direction="out"}') == sent
    with av.open(str(folder / "video.mp4")) as mp4:
        times = [float(frame.time or 0) for frame in mp4.decode(video=0)]
    assert [round(time * 25) for time in times] == list(range(250))
    videos.wait_for(lambda: videos.queue_is_empty(videos.foundation.chunks_queue_url), "the jobs to be deleted")
    assert worker.figure('vodstack_worker_chunks_total{outcome="encoded"}') == 4
    assert worker.figure("vodstack_worker_chunks_planned_total") == 4
    assert worker.figure("vodstack_worker_realtime_factor_count") == 3
    assert worker.figure('vodstack_worker_plans_total{way="chunks"}') == 1
    assert list(worker.scratch.glob("*/*/out")) == []


@pytest.mark.prove
def test_one_pass_refuses_what_its_scratch_cannot_hold(videos: Any, workers: Any, film: Path):
    worker = workers.start(VODSTACK_LOCAL_BYTES="0", **scarce(film))
    record = videos.wait_until(videos.upload(film), Status.FAILED, Status.READY)
    assert record.error.code is FailureCode.SOURCE_TOO_LARGE, worker.log()


@pytest.mark.prove
def test_neither_the_sound_of_a_film_nor_its_mp4_has_to_fit_into_scratch(
    videos: Any, workers: Any, ffmpeg: str, tmp_path: Path
):
    path = tmp_path / "long.mp4"
    picture = ["-f", "lavfi", "-i", "color=size=64x36:rate=10:duration=240"]
    tone = ["-f", "lavfi", "-i", "anoisesrc=duration=240:sample_rate=48000"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([ffmpeg, "-v", "error", *picture, *tone, *encoding, path], check=True)
    room = {"VODSTACK_SCRATCH_BYTES": str(2_800_000), "VODSTACK_LOCAL_BYTES": "0", "VODSTACK_CHUNK_SECONDS": "60"}
    worker = workers.start(**room)
    record = videos.wait_until(videos.upload(path), Status.READY, Status.FAILED)
    assert (record.status, record.plan.way) == (Status.READY, Way.CHUNKS), worker.log()
    assert record.playback.mp4_size_bytes > 3_600_000


@pytest.mark.prove
@pytest.mark.parametrize("moment", ["SendMessageBatch", "PutObject"])
def test_nothing_is_left_of_a_video_that_is_deleted_while_its_chunks_are_encoded(
    moment: str, videos: Any, workers: Any, proxy: AwsProxy, film: Path
):
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, **SMALL_CHUNKS)
    moments = Deletion(deleted_at=0, purge_at=0)
    proxy.intercept(is_operation(moment), nth=1, after=lambda: videos.change(moves.delete(video_id, moments)))
    video_id = videos.upload(film)
    videos.wait_for(lambda: videos.record(video_id).status is Status.DELETED, "the video to be deleted")
    for url in (videos.foundation.queue_url, videos.foundation.chunks_queue_url):
        videos.wait_for(lambda url=url: videos.queue_is_empty(url), f"the messages to be deleted: {worker.log()}")
    assert videos.keys(rendition_prefix(video_id)) == set()


@pytest.mark.prove
def test_chunk_jobs_of_no_plan_or_no_sense_are_set_aside(videos: Any, workers: Any, film: Path):
    worker = workers.start(**SMALL_CHUNKS)
    url = videos.foundation.chunks_queue_url
    stray = ChunkJob(video_id=videos.upload(b"", Status.DELETED), plan_id="00c0ffee", number=0)
    videos.sqs.send_message(QueueUrl=url, MessageBody=encode_chunk(stray))
    videos.wait_for(lambda: worker.figure('vodstack_worker_chunks_total{outcome="dropped"}') == 1, "the stray to go")
    videos.sqs.send_message(QueueUrl=url, MessageBody='{"job": "chunk", "number": -1}')
    videos.wait_for(lambda: "malformed message" in worker.log(), "the nonsense to be seen")
