"""A disk that is full before a job's scratch is: the node's fault, which no video is blamed for."""

import errno
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import imageio_ffmpeg
import pytest

from vodstack_worker.attempt import is_local
from vodstack_worker.errors import GiveUpError, RetryError, ToolError
from vodstack_worker.media_process import Ending, Limits
from vodstack_worker.transcode import require_success


@pytest.fixture(scope="module")
def full() -> Ending:
    """What ffmpeg says of a disk without room."""
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:duration=2"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, "-f", "rawvideo", "-y", "/dev/full"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return Ending(code=ran.returncode, stdout=b"", stderr=ran.stderr)


@pytest.fixture
def on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the system tell that so much is left of every disk."""

    def fill(blocks: int = 0, files: int = 1000) -> None:
        told = SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_files=1_000_000, f_favail=files)
        monkeypatch.setattr(os, "statvfs", lambda _: told)

    return fill


@pytest.mark.parametrize("step", ["encode", "mp4", "poster"])
@pytest.mark.parametrize("left", [{"blocks": 0}, {"blocks": 1000}, {"blocks": 10**9, "files": 0}])
def test_a_tool_that_finds_the_disk_full_is_not_counted_against_the_video(
    full: Ending,
    step: str,
    tmp_path: Path,
    limits: Limits,
    *,
    on_a_full_disk: Callable[..., None],
    left: dict[str, int],
):
    on_a_full_disk(**left)
    with pytest.raises(RetryError) as caught:
        require_success(full, step, tmp_path, limits)
    assert (caught.value.counted, "disk is full" in str(caught.value)) == (False, True)


@pytest.mark.parametrize("step", ["encode", "mp4", "poster"])
def test_a_tool_that_speaks_of_a_full_disk_where_there_is_room_is_counted(
    full: Ending, step: str, tmp_path: Path, limits: Limits, on_a_full_disk: Callable[..., None]
):
    on_a_full_disk(blocks=10**6)
    with pytest.raises((GiveUpError, ToolError)) as caught:
        require_success(full, step, tmp_path, limits)
    assert getattr(caught.value, "counted", True)


def test_so_is_one_that_filled_the_disk_by_more_than_its_jobs_share(
    full: Ending, tmp_path: Path, limits: Limits, on_a_full_disk: Callable[..., None]
):
    on_a_full_disk()
    (tmp_path / "file").write_bytes(bytes(100_000))
    with pytest.raises(ToolError):
        require_success(full, "mp4", tmp_path, replace(limits, scratch_bytes=50_000))


def test_a_video_that_speaks_of_a_full_disk_is_none(tmp_path: Path, limits: Limits):
    require_success(Ending(code=0, stdout=b"", stderr="title: No space left on device"), "mp4", tmp_path, limits)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_neither_is_what_the_worker_itself_cannot_write(number: int):
    assert not is_local(OSError(number, "full"))
    assert is_local(OSError(errno.EACCES, "refused"))
