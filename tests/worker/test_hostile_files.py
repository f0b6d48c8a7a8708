"""Files that are no videos, or mean harm: each is refused with a stable code and a sentence, and touches nothing."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.worker.hostile_bytes import BYTES, Canary, box, listening_canary, many_tracks_in_matroska

from vodstack_contracts.videos import FailureCode
from vodstack_worker.errors import GiveUpError
from vodstack_worker.machine import usage_of
from vodstack_worker.media_process import Limits, run_tool
from vodstack_worker.probe import probe
from vodstack_worker.scratch import Scratch, used_bytes

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    with listening_canary(tmp_path) as listening:
        yield listening


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_video_are_refused_and_touch_nothing(
    name: str, canary: Canary, tmp_path: Path, transcode: Any
):
    make, codes = BYTES[name]
    path = tmp_path / "file.mp4"
    path.write_bytes(make(canary))
    with pytest.raises(GiveUpError) as refused:
        transcode(path)
    assert refused.value.failure.code in codes
    assert "SECRET" not in refused.value.failure.message
    assert refused.value.failure.message.endswith(".")


def make(ffmpeg: str, path: Path, *arguments: str) -> Path:
    subprocess.run([ffmpeg, "-v", "error", "-y", *arguments, path], check=True)
    return path


def refusal(transcode: Any, path: Path) -> FailureCode:
    with pytest.raises(GiveUpError) as refused:
        transcode(path)
    return refused.value.failure.code


def test_sound_alone_is_no_video(ffmpeg: str, tmp_path: Path, transcode: Any):
    sound = make(ffmpeg, tmp_path / "a.m4a", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac")
    assert refusal(transcode, sound) is FailureCode.NO_VIDEO_STREAM


def test_a_cover_is_no_video(ffmpeg: str, tmp_path: Path, transcode: Any):
    cover = make(ffmpeg, tmp_path / "c.jpg", "-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1")
    inputs = ("-f", "lavfi", "-i", "sine=d=1", "-i", str(cover), "-map", "0", "-map", "1", "-c:a", "aac")
    song = make(ffmpeg, tmp_path / "song.m4a", *inputs, "-c:v", "copy", "-disposition:v", "attached_pic")
    assert refusal(transcode, song) is FailureCode.NO_VIDEO_STREAM


@pytest.mark.parametrize("faststart", [True, False], ids=["index first", "index last"])
def test_a_truncated_file_is_refused(faststart: bool, ffmpeg: str, clip: Path, tmp_path: Path, transcode: Any):  # noqa: FBT001 - pytest passes it by name
    flags = ("-movflags", "+faststart") if faststart else ()
    whole = make(ffmpeg, tmp_path / "whole.mp4", "-i", str(clip), "-c", "copy", *flags)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert refusal(transcode, cut) is FailureCode.CORRUPT


def test_giant_dimensions_are_refused_before_a_picture_is_decoded(ffmpeg: str, tmp_path: Path, transcode: Any):
    source = ("-f", "lavfi", "-i", "color=black:s=16000x64:r=1:d=1")
    giant = make(ffmpeg, tmp_path / "giant.mkv", *source, "-c:v", "ffv1")
    assert refusal(transcode, giant) is FailureCode.DIMENSIONS_TOO_LARGE


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_thousands_of_streams_are_refused(container: str, tmp_path: Path, transcode: Any, clip: Path):
    many = with_many_tracks(clip.read_bytes(), 3000) if container == "mp4" else many_tracks_in_matroska(3000)
    path = tmp_path / "many"
    path.write_bytes(many)
    assert refusal(transcode, path) is FailureCode.TOO_MANY_STREAMS


def with_many_tracks(data: bytes, count: int) -> bytes:
    """The file with its first track repeated in the index."""
    at = data.index(b"moov") - 4
    size = int.from_bytes(data[at : at + 4])
    moov = data[at + 8 : at + size]
    start = moov.index(b"trak") - 4
    track = moov[start : start + int.from_bytes(moov[start : start + 4])]
    return data[:at] + box(b"moov", moov + track * count) + data[at + size :]


def test_a_codec_that_is_not_named_is_never_decoded(ffmpeg: str, tmp_path: Path, transcode: Any):
    source = ("-f", "lavfi", "-i", "testsrc=s=128x96:d=1")
    strange = make(ffmpeg, tmp_path / "strange.avi", *source, "-c:v", "zmbv")
    assert refusal(transcode, strange) is FailureCode.UNSUPPORTED_FORMAT


def test_a_video_longer_than_allowed_is_refused(ffmpeg: str, tmp_path: Path, transcode: Any):
    source = ("-f", "lavfi", "-i", "color=black:s=64x64:r=1:d=90")
    assert refusal(transcode, make(ffmpeg, tmp_path / "long.mp4", *source, *H264)) is FailureCode.TOO_LONG


def test_a_video_of_more_frames_than_allowed_is_refused(ffmpeg: str, tmp_path: Path, scratch: Scratch, limits: Limits):
    source = ("-f", "lavfi", "-i", "color=black:s=64x64:r=240:d=1")
    video = make(ffmpeg, tmp_path / "many.mp4", *source, *H264)
    with scratch.job() as folder:
        (folder / "source").write_bytes(video.read_bytes())
        with pytest.raises(GiveUpError) as refused:
            asyncio.run(probe(folder, limits, max_duration=60, max_frames=239))
        assert refused.value.failure.code is FailureCode.TOO_MANY_FRAMES
        assert asyncio.run(probe(folder, limits, max_duration=60, max_frames=240)).facts.duration_seconds == 1


def run(ffmpeg: str, scratch: Scratch, limits: Limits, *arguments: str) -> Any:
    with scratch.job() as folder:
        return asyncio.run(run_tool(ffmpeg, ["-nostdin", "-v", "error", *arguments], folder, limits))


ENDLESS = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=30")


def test_a_tool_that_takes_too_long_is_killed(ffmpeg: str, scratch: Scratch, limits: Limits):
    ending = run(ffmpeg, scratch, replace(limits, wall_seconds=0.5), "-re", *ENDLESS, "-f", "null", "-")
    assert ending.exceeded == "wall time"


def test_a_tool_that_writes_too_much_is_killed(ffmpeg: str, scratch: Scratch, limits: Limits):
    ending = run(
        ffmpeg, scratch, replace(limits, scratch_bytes=10_000_000), *ENDLESS, "-c:v", "rawvideo", "out/out.nut"
    )
    assert ending.code != 0
    assert ending.exceeded in {"scratch space", "file size", None}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes blocks beyond a file's end")
def test_disk_that_is_taken_beyond_the_end_of_a_file_counts(tmp_path: Path):
    (tmp_path / "short").touch()
    subprocess.run(["/usr/bin/fallocate", "-n", "-l", "10000000", tmp_path / "short"], check=True)
    assert (tmp_path / "short").stat().st_size == 0
    assert used_bytes(tmp_path) >= 10_000_000


def test_more_files_than_a_job_may_have_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vodstack_worker.scratch._MOST_ENTRIES", 10)
    for number in range(11):
        assert used_bytes(tmp_path, 10_000_000) <= 10_000_000
        (tmp_path / str(number)).touch()
    assert used_bytes(tmp_path, 10_000_000) > 10_000_000


def test_the_end_of_a_job_does_not_wait_for_many_files(scratch: Scratch, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vodstack_worker.scratch._REMOVAL_SECONDS", 0)
    with scratch.job() as folder:
        for number in range(20_000):
            (folder / "out" / str(number)).touch()
        began = time.monotonic()
    assert time.monotonic() - began < 0.1
    while folder.exists():
        assert time.monotonic() - began < 20
        time.sleep(0.05)


NAMED_AS_ONE_THREAD = """
import ctypes, threading, time
ctypes.CDLL(None).prctl(15, b"Threads:\\t1", 0, 0, 0)
for _ in range(5):
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
print(flush=True)
time.sleep(30)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process name itself")
def test_a_tools_name_does_not_hide_its_threads():
    with subprocess.Popen([sys.executable, "-c", NAMED_AS_ONE_THREAD], stdout=subprocess.PIPE) as tool:
        assert tool.stdout is not None
        tool.stdout.readline()
        threads = usage_of(tool.pid).threads
        tool.kill()
    assert threads == 6


def test_a_tool_that_burns_too_much_cpu_is_killed(scratch: Scratch, limits: Limits):
    with scratch.job() as folder:
        busy = run_tool("/bin/sh", ["-c", "while :; do :; done"], folder, replace(limits, cpu_seconds=1))
        assert asyncio.run(busy).exceeded == "CPU time"


@pytest.mark.skipif(os.getuid() != 0, reason="only root has a user to give up")
def test_a_tool_runs_without_the_privileges_of_root(scratch: Scratch, limits: Limits):
    with scratch.job() as folder:
        ending = asyncio.run(run_tool("/usr/bin/id", ["-u"], folder, limits))
    assert ending.stdout == b"65534\n"


def test_a_tool_does_not_inherit_the_workers_environment(
    scratch: Scratch, limits: Limits, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    with scratch.job() as folder:
        ending = asyncio.run(run_tool("/usr/bin/env", [], folder, limits))
    assert ending.code == 0
    assert {line.split("=")[0] for line in ending.stdout.decode().splitlines()} <= {"LC_ALL", "PATH", "PWD"}
