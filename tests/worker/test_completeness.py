"""Nothing becomes `ready` that lost something: what was made is compared with the source, and with what was planned."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs
from tests.worker.conftest import Transcode
from tests.worker.sources import Recording, damage, see, steady, write

from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import FailureCode, Status, VideoWarning, WarningCode
from vodstack_worker.assembly import Assembly
from vodstack_worker.chunk_table import Standing
from vodstack_worker.completeness import require_complete
from vodstack_worker.encode_log import EncodeLog
from vodstack_worker.errors import FallBackError, IncompleteError, MismatchError, RetryError
from vodstack_worker.media_process import Limits, run_tool
from vodstack_worker.plans import Chunk, ChunkPlan, Plan, Share, plan_chunks, plan_encode
from vodstack_worker.playlists import playlist_text, read_playlist
from vodstack_worker.probe import probe
from vodstack_worker.scratch import Scratch
from vodstack_worker.segments import ChunkResult, check_chunk
from vodstack_worker.tool_files import JobFiles
from vodstack_worker.transcode import encode

SECONDS = 8
ONE_PASS = {"VODSTACK_CHUNKS_QUEUE_URL": ""}
CHUNKS = {"VODSTACK_CHUNK_SECONDS": "4", "VODSTACK_LOCAL_BYTES": "0"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source.mp4", Recording(times=steady(SECONDS * 30), audio=(0.0, SECONDS)))


@pytest.mark.parametrize("way", [ONE_PASS, pytest.param(CHUNKS, marks=pytest.mark.prove)], ids=["one pass", "chunks"])
def test_much_damage_fails_and_a_little_is_told_in_the_record(
    way: dict[str, str], source: Path, videos: Any, workers: Any, tmp_path: Path
):
    other = tmp_path / "other.mp4"
    shutil.copyfile(source, other)
    half = videos.upload(damage(source, 4.0, SECONDS))
    little = videos.upload(damage(damage(other, 7.5, SECONDS), 2.0, 3.0, "audio"))
    worker = workers.start(**way)

    failed = videos.wait_until(half, Status.READY, Status.FAILED)
    assert failed.error, worker.log()
    assert failed.error.code is FailureCode.INCOMPLETE
    assert failed.error.message.startswith("4.0 of the video's 8.0 seconds are missing")

    ready = videos.wait_until(little, Status.READY, Status.FAILED)
    assert ready.status is Status.READY, ready.error
    told = {warning.code: warning.message for warning in ready.warnings}
    assert set(told) == {WarningCode.FRAMES_MISSING, WarningCode.AUDIO_DAMAGED}
    assert told[WarningCode.FRAMES_MISSING].startswith("0.5 seconds")
    folder = videos.fetch(rendition_prefix(little), tmp_path / "published")
    assert see(folder / "video.mp4").seconds == pytest.approx(SECONDS, abs=0.04)


def test_a_recording_that_begins_without_a_key_frame_says_how_long_it_shows_a_still(
    ffmpeg: str, tmp_path: Path, scratch: Scratch, limits: Limits
):
    whole = tmp_path / "whole.ts"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=160x96:rate=30:duration=6"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "90", "-sc_threshold", "0"]
    subprocess.run([ffmpeg, "-v", "error", *picture, *encoding, whole], check=True)
    data = whole.read_bytes()

    async def run(folder: Path) -> list[VideoWarning]:
        (folder / "source").write_bytes(data[: 188 * 3] + data[188 * (len(data) // 188 // 4) :])
        plan = plan_encode(await probe(folder, limits, max_duration=60), threads=1)
        log = await encode(folder, plan, limits, lambda _: None)
        return require_complete(folder, plan, log)

    with scratch.job() as folder:
        (warning,) = asyncio.run(run(folder))
    assert warning.code is WarningCode.FRAMES_MISSING
    assert 1.0 < float(warning.message.split()[0]) < 2.5


def test_a_video_that_goes_on_in_another_codec_is_never_ready(
    ffmpeg: str, tmp_path: Path, scratch: Scratch, limits: Limits
):
    data = b""
    for start, codec in ((0, "libx264"), (2, "mpeg2video")):
        part = tmp_path / f"{start}.ts"
        picture = ["-f", "lavfi", "-i", "testsrc2=size=160x96:rate=30:duration=2"]
        encoding = ["-c:v", codec, "-bf", "0", "-output_ts_offset", str(start), "-muxdelay", "0"]
        subprocess.run([ffmpeg, "-v", "error", *picture, *encoding, part], check=True)
        data += part.read_bytes()

    async def run(folder: Path) -> list[VideoWarning]:
        (folder / "source").write_bytes(data)
        plan = plan_encode(await probe(folder, limits, max_duration=60), threads=1)
        log = await encode(folder, plan, limits, lambda _: None)
        return require_complete(folder, plan, log)

    with scratch.job() as folder, pytest.raises(IncompleteError) as raised:
        asyncio.run(run(folder))
    assert raised.value.missing == pytest.approx(2.0, abs=0.1)


@dataclass(frozen=True)
class Encoded:
    """A chunk's run in its folder."""

    folder: Path
    made: ChunkPlan
    chunk: Chunk
    log: EncodeLog

    @property
    def home(self) -> Path:
        return self.folder / "out/hls" / self.made.plan.rungs[0].name


@pytest.fixture
def encoded(source: Path, scratch: Scratch, limits: Limits) -> Iterator[Encoded]:
    async def run(folder: Path) -> Encoded:
        plan = plan_encode(await probe(folder, limits, max_duration=60), threads=1)
        chunks = plan_chunks(plan, 4.0)
        assert isinstance(chunks, list)
        made = ChunkPlan(plan_id="00c0ffee", video_id="v", size=0, etag="", plan=plan, chunks=chunks)
        share = Share(chunk=chunks[0], audio=False, names=made.prefix)
        return Encoded(folder, made, chunks[0], await encode(folder, plan, limits, lambda _: None, share=share))

    with scratch.job() as folder:
        shutil.copyfile(source, folder / "source")
        yield asyncio.run(run(folder))


def test_a_chunk_has_exactly_its_frames(encoded: Encoded):
    folder, made, chunk, log = encoded.folder, encoded.made, encoded.chunk, encoded.log
    result = check_chunk(folder, made, chunk, log, 1.0)
    assert result.frames == 120
    for end, reason in ((chunk.end - 1, "has 120 frames of 119"), (chunk.end + 1, "has the segments")):
        with pytest.raises(MismatchError, match=f"chunk 0.* {reason}"):
            check_chunk(folder, made, structs.replace(chunk, end=end), log, 1.0)
    (segment,) = encoded.home.glob("*.m4s")
    segment.write_bytes(segment.read_bytes()[:40])
    with pytest.raises(MismatchError, match="is empty"):
        check_chunk(folder, made, chunk, log, 1.0)


def test_chunks_with_different_init_segments_are_not_joined(
    encoded: Encoded, videos: Any, foundation: Any, limits: Limits, tmp_path: Path
):
    result = check_chunk(encoded.folder, encoded.made, encoded.chunk, encoded.log, 1.0)
    other = structs.replace(result, inits=dict.fromkeys(result.inits, "f" * 64))
    audio = ChunkResult(frames=0, inits={}, seconds=1.0, lengths=[4.0, 4.0])
    standing = Standing(encoded.made, {0: result, 1: other, 2: audio})
    # It fails before anything is asked for.
    assembly = Assembly(None, foundation.bucket, standing, limits)  # type: ignore[arg-type]
    with pytest.raises(FallBackError, match="chunk 1 needs other codec parameters than the first"):
        asyncio.run(assembly.run(tmp_path, None))  # type: ignore[arg-type]


def test_a_segment_that_is_missing_or_empty_makes_no_playlist(transcode: Transcode, source: Path):
    made = transcode(source)
    home = f"hls/{made.plan.rungs[0].name}"
    *_, last = sorted((made.job / "out" / home).glob("*.m4s"))
    last.write_bytes(b"")
    with pytest.raises(RetryError, match="is empty"):
        read_playlist(JobFiles(made.job), home)
    with pytest.raises(MismatchError, match="is empty"):
        require_complete(made.job, made.plan, made.log)
    last.unlink()
    with pytest.raises(RetryError, match="was not written"):
        read_playlist(JobFiles(made.job), home)
    with pytest.raises(RetryError, match="was not written"):
        require_complete(made.job, made.plan, made.log)


def lengthened(plan: Plan, frames: int) -> Plan:
    """The same plan, for so many frames more than there are, of which the source has told nothing."""
    grid = structs.replace(plan.probe.grid, frames=plan.probe.grid.frames + frames)
    return structs.replace(plan, probe=structs.replace(plan.probe, grid=grid))


def test_audio_as_long_as_the_video_is_asked_for(transcode: Transcode, source: Path):
    made = transcode(source)
    with pytest.raises(IncompleteError, match=r"1.000 of 8.000 seconds"):
        require_complete(made.job, lengthened(made.plan, 30), made.log)
    shorter = playlist_text("init.mp4", ["00000.m4s"], [4.0])
    JobFiles(made.job).write("hls/audio/index.m3u8", shorter.encode())
    with pytest.raises(IncompleteError, match=r"4.0.. of 8.000 seconds"):
        require_complete(made.job, made.plan, made.log)


def test_the_dash_manifest_lasts_as_long_as_the_longest_of_its_tracks(transcode: Transcode, source: Path):
    root = ET.fromstring((transcode(source).hls / "manifest.mpd").read_text())  # noqa: S314 - our own
    lengths = [
        sum(int(part.get("d", "0")) * (1 + int(part.get("r", "0"))) for part in each.iterfind(".//{*}S"))
        for each in root.iterfind(".//{*}SegmentTimeline")
    ]
    # The encoder's own frame before the first makes audio longer.
    assert lengths[1] - lengths[0] > 20_000
    assert float(root.get("mediaPresentationDuration", "")[2:-1]) >= max(lengths) / 1_000_000 - 0.0005


FILLING = "for each in 1 2 3 4 5 6 7 8 9; do printf %2000000s > out/$each; done; while :; do :; done"


def test_many_files_that_fill_scratch_together_stop_a_tool(scratch: Scratch, limits: Limits):
    with scratch.job() as folder:
        run = run_tool("/bin/sh", ["-c", FILLING], folder, replace(limits, scratch_bytes=8_000_000))
        assert asyncio.run(run).exceeded == "scratch space"
