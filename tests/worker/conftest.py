"""A worker as an operator runs it: a process of its own, against moto, stopped by signals."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.aws_proxy import AwsProxy
from tests.films import make_film
from tests.worker.running import Videos, Workers

from vodstack_contracts.videos import new_video_id
from vodstack_worker.captions import make_captions
from vodstack_worker.completeness import require_complete
from vodstack_worker.encode_log import EncodeLog
from vodstack_worker.media_process import Limits
from vodstack_worker.plans import Plan, plan_encode
from vodstack_worker.playlists import read_playlist
from vodstack_worker.probe import probe
from vodstack_worker.probed import Probe
from vodstack_worker.publish import Published, measure_output
from vodstack_worker.scratch import Scratch
from vodstack_worker.settings import GIB
from vodstack_worker.thumbnails import make_thumbnails
from vodstack_worker.tool_files import JobFiles
from vodstack_worker.transcode import encode, make_mp4, make_poster


@pytest.fixture
def videos(foundation: Any) -> Videos:
    return Videos(foundation, foundation.client("s3"), foundation.client("dynamodb"), foundation.client("sqs"))


@pytest.fixture
def workers(foundation: Any, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(foundation.environment, tmp_path)
    yield made
    for worker in made.started:
        if worker.process.poll() is None:
            worker.kill()


@dataclass(frozen=True)
class Transcoded:
    """What the pipeline makes of a file, queue and bucket left out."""

    probe: Probe
    plan: Plan
    log: EncodeLog
    published: Published
    job: Path
    """Where the tools worked."""
    folder: Path
    """What is published of it."""

    @property
    def hls(self) -> Path:
        return self.folder / "hls"

    @property
    def mp4(self) -> Path:
        return self.folder / "video.mp4"


@pytest.fixture(scope="session")
def tiny_clip(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "tiny.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=128x96:rate=10:duration=1"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *picture, *tone, *encoding, path], check=True)
    return path


@pytest.fixture(scope="session")
def film(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds: more than two of the chunks that tests make, with a word to be read in the last."""
    text = "1\n00:00:09,100 --> 00:00:09,900\nlast\n\n"
    return make_film(ffmpeg, tmp_path_factory.mktemp("clips") / "film.mp4", seconds=10, text=text)


@pytest.fixture(scope="session")
def long_clip(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that keeps the encoder busy for some seconds."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=10"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *picture, *encoding, path], check=True)
    return path


@pytest.fixture
def proxy(foundation: Any) -> Iterator[AwsProxy]:
    with AwsProxy(foundation.endpoint_url) as made:
        yield made


@dataclass(frozen=True)
class Encoded:
    """What is made of a source before pictures of it are taken."""

    plan: Plan
    mp4: Path


Encode = Callable[[Path], Encoded]
Transcode = Callable[[Path], Transcoded]
Probed = Callable[[Path], Probe]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    made = Scratch(tmp_path / "scratch", jobs=1, job_bytes=2 * GIB, uid=65_534)
    yield made
    made.close()


@pytest.fixture
def limits() -> Limits:
    return Limits(memory_bytes=4 * GIB, cpu_seconds=60, wall_seconds=60, scratch_bytes=2 * GIB, uid=65_534)


@pytest.fixture
def probed(scratch: Scratch, limits: Limits) -> Probed:
    """What the worker's probe says of a file, or raises."""

    def run(source: Path) -> Probe:
        with scratch.job() as folder:
            shutil.copyfile(source, folder / "source")
            return asyncio.run(probe(folder, limits, max_duration=86_400))

    return run


@pytest.fixture
def encode_whole(scratch: Scratch, limits: Limits) -> Iterator[Encode]:
    """Encodes a source that is not damaged."""
    with ExitStack() as folders:

        async def run(source: Path) -> Encoded:
            folder = folders.enter_context(scratch.job())
            shutil.copyfile(source, folder / "source")
            plan = plan_encode(await probe(folder, limits, max_duration=600), threads=2)
            log = await encode(folder, plan, limits, lambda _: None)
            assert require_complete(folder, plan, log) == []
            await make_mp4(folder, plan, limits)
            return Encoded(plan, folder / "out/video.mp4")

        yield lambda source: asyncio.run(run(source))


@pytest.fixture
def transcode(scratch: Scratch, limits: Limits, tmp_path: Path) -> Iterator[Transcode]:
    with ExitStack() as folders:

        async def run(source: Path) -> Transcoded:
            folder = folders.enter_context(scratch.job())
            shutil.copyfile(source, folder / "source")
            found = await probe(folder, limits, max_duration=60)
            plan = plan_encode(found, threads=2)
            log = await encode(folder, plan, limits, lambda _: None)
            require_complete(folder, plan, log)
            await make_mp4(folder, plan, limits)
            await make_poster(folder, plan, limits, "out/video.mp4")
            smallest = f"hls/{plan.rungs[-1].name}"
            duration = read_playlist(JobFiles(folder), smallest).duration
            await make_thumbnails(folder, plan, limits, f"out/{smallest}/index.m3u8", duration)
            captions = await make_captions(folder, plan, limits, "source")
            published = measure_output(folder, plan, new_video_id(), captions)
            sent = Path(tempfile.mkdtemp(dir=tmp_path))
            for name in published.names:
                (sent / name).parent.mkdir(parents=True, exist_ok=True)
                (sent / name).write_bytes(JobFiles(folder).read(name, GIB))
            return Transcoded(found, plan, log, published, folder, sent)

        yield lambda source: asyncio.run(run(source))
