"""Workers die at random under load, messages repeat and come late: nothing is lost, done twice or left behind.

`make prove` runs it for minutes, `make prove QUICK=1` for less than three.
"""

import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.worker.running import SMALL_CHUNKS, Videos, WorkerProcess, Workers

from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import Status, Way

WORKERS = 3
VIDEOS = 20
REPEATED_EVERY = 10
REPEATS = 2 * VIDEOS // REPEATED_EVERY
DELAYED_EVERY = 3
DELAY_SECONDS = 3
DRAIN_SECONDS = 240
FOREVER_SECONDS = 3600
ENVIRONMENT = {"VODSTACK_JOBS": "1", **SMALL_CHUNKS}
QUICK = "PROVE_QUICK" in os.environ

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Storm:
    """How long workers are struck, how often, and how long a video keeps one busy."""

    seconds: float
    between_strikes: float
    clip_seconds: int


# Videos are long enough for some chunks each.
STORM = Storm(30, 3, 10) if QUICK else Storm(180, 15, 20)


@dataclass
class Fleet:
    """Workers that are replaced when they die, as Kubernetes does it."""

    workers: Workers
    environment: dict[str, str]
    running: list[WorkerProcess] = field(default_factory=list)
    struck: list[WorkerProcess] = field(default_factory=list)

    def fill(self) -> None:
        while len(self.running) < WORKERS:
            self.running.append(self.workers.start(**self.environment))

    def strike(self, number: signal.Signals) -> None:
        ready = [worker for worker in self.running if worker.get("/readyz")[0] == 200]
        victim = random.choice(ready or self.running)  # noqa: S311 - chaos needs no secrecy
        self.running.remove(victim)
        self.struck.append(victim)
        victim.process.send_signal(number)
        code = victim.process.wait(60)
        # Python itself ends on a SIGTERM that comes before the worker has begun.
        started = victim.log() != ""
        assert code == (0 if number is signal.SIGTERM and started else -number), victim.log()
        self.fill()

    def events(self, name: str) -> Counter[tuple[str, int | None]]:
        """How often each video or chunk met the event, in all logs."""
        lines = (json.loads(line) for worker in self.workers.started for line in worker.log().splitlines())
        return Counter((line["video_id"], line.get("chunk")) for line in lines if line["event"] == name)

    def leave(self) -> None:
        for worker in self.running:
            worker.wait_until_ready()
            assert worker.terminate() == 0, worker.log()


@pytest.fixture(scope="module")
def storm_clip(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "storm.mp4"
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=320x240:rate=25:duration={STORM.clip_seconds}"]
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={STORM.clip_seconds}"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *picture, *tone, *encoding, path], check=True)
    return path


def upload_all(videos: Videos, clip: Path) -> Iterator[str]:
    """Every tenth message comes twice, at once and late; every third is delayed."""
    for number in range(VIDEOS):
        delay = DELAY_SECONDS if number % DELAYED_EVERY == 0 else 0
        url = videos.foundation.queue_url
        videos.sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": str(delay)})
        video_id = videos.upload(clip)
        if number % REPEATED_EVERY == 0:
            videos.send_again(video_id)
            videos.send_again(video_id, delay=2 * DELAY_SECONDS)
        yield video_id


def rage(fleet: Fleet, videos: Videos, clip: Path, number: signal.Signals) -> list[str]:
    """Upload and strike side by side until the storm is over."""
    uploads = upload_all(videos, clip)
    start = time.monotonic()
    uploaded: list[str] = []
    strikes = 0
    while (passed := time.monotonic() - start) < STORM.seconds:
        # All are there before the storm's last third, so that it finds every one in some state.
        if len(uploaded) < min(VIDEOS, 1 + int(passed / STORM.seconds * 1.5 * VIDEOS)):
            uploaded.append(next(uploads))
        elif passed > (strikes + 1) * STORM.between_strikes:
            fleet.strike(number)
            strikes += 1
        else:
            time.sleep(0.1)
    return [*uploaded, *uploads]


def drain(videos: Videos, ids: list[str]) -> None:
    end = time.monotonic() + DRAIN_SECONDS
    queues = (videos.foundation.queue_url, videos.foundation.chunks_queue_url)
    while not (all(map(videos.queue_is_empty, queues)) and all(videos.record(each).lease is None for each in ids)):
        assert time.monotonic() < end, Counter(videos.record(each).status for each in ids)
        time.sleep(0.5)


def require_everything_once(fleet: Fleet, videos: Videos, ids: list[str]) -> None:
    records = {video_id: videos.record(video_id) for video_id in ids}
    assert {record.status for record in records.values()} == {Status.READY}
    assert {record.failures for record in records.values()} == {0}
    assert max(fleet.events("ready").values()) == 1
    assert {record.plan.way for record in records.values() if record.plan} == {Way.CHUNKS}
    again = sum(record.attempts - 1 for record in records.values())
    # A repeat that comes while chunks are encoded looks for what is missing.
    assert again <= len(fleet.struck) + REPEATS
    encoded = fleet.events("chunk encoded")
    assert {key for key, count in encoded.items() if count > 1 + len(fleet.struck)} == set()
    assert sum(count - 1 for count in encoded.values()) <= len(fleet.struck)
    for video_id in ids:
        assert videos.keys(rendition_prefix(video_id)) == published(videos, video_id)
    assert "Uploads" not in videos.s3.list_multipart_uploads(Bucket=videos.foundation.bucket)
    assert videos.queue_is_empty(videos.foundation.dlq_url)


def published(videos: Videos, video_id: str) -> set[str]:
    """Every key that the record and the playlists name."""
    record = videos.record(video_id)
    assert record.playback
    found = {record.playback.hls_key, record.playback.mp4_key, record.playback.poster_key}
    playlists = [record.playback.hls_key]
    assert record.playback.thumbnails_key
    assert record.playback.dash_key
    found |= {
        record.playback.dash_key,
        record.playback.thumbnails_key,
        record.playback.thumbnails_key.replace("index.vtt", "000.jpg"),
    }
    for key in playlists:
        text = videos.s3.get_object(Bucket=videos.foundation.bucket, Key=key)["Body"].read().decode()
        for line, named in re.findall(r'^(?!#)(\S+)$|URI="([^"]+)"', text, re.MULTILINE):
            found.add(f"{key.rpartition('/')[0]}/{line or named}")
        playlists += sorted(each for each in found if each.endswith(".m3u8") and each not in playlists)
    return found


def test_killed_workers_lose_nothing_and_leave_nothing(videos: Any, workers: Any, storm_clip: Path):
    fleet = Fleet(workers, {"VODSTACK_VISIBILITY_TIMEOUT_SECONDS": "6", **ENVIRONMENT})
    fleet.fill()
    ids = rage(fleet, videos, storm_clip, signal.SIGKILL)
    drain(videos, ids)
    fleet.leave()
    require_everything_once(fleet, videos, ids)
    assert list(fleet.running[0].scratch.iterdir()) == []


def test_no_message_of_a_worker_told_to_leave_waits_for_a_timeout(videos: Any, workers: Any, storm_clip: Path):
    fleet = Fleet(
        workers, {"VODSTACK_VISIBILITY_TIMEOUT_SECONDS": str(FOREVER_SECONDS), "VODSTACK_JOBS": "1", **SMALL_CHUNKS}
    )
    fleet.fill()
    ids = rage(fleet, videos, storm_clip, signal.SIGTERM)
    drain(videos, ids)
    fleet.leave()
    require_everything_once(fleet, videos, ids)
    assert list(fleet.running[0].scratch.iterdir()) == []
