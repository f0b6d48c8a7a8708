"""A disk that is full before a job's scratch is: the node's fault, which no video is blamed for."""

import errno
import subprocess

import imageio_ffmpeg
import pytest

from vodstack_worker.attempt import is_local
from vodstack_worker.errors import RetryError
from vodstack_worker.media_process import Ending
from vodstack_worker.transcode import require_success


@pytest.fixture(scope="module")
def full() -> Ending:
    """What ffmpeg says of a disk without room."""
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:duration=2"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, "-f", "rawvideo", "-y", "/dev/full"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return Ending(code=ran.returncode, stdout=b"", stderr=ran.stderr)


@pytest.mark.parametrize("step", ["encode", "mp4", "poster"])
def test_a_tool_that_finds_the_disk_full_is_not_counted_against_the_video(full: Ending, step: str):
    with pytest.raises(RetryError) as caught:
        require_success(full, step)
    assert (caught.value.counted, "disk is full" in str(caught.value)) == (False, True)


def test_a_video_that_speaks_of_a_full_disk_is_none():
    require_success(Ending(code=0, stdout=b"", stderr="title: No space left on device"), "mp4")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_neither_is_what_the_worker_itself_cannot_write(number: int):
    assert not is_local(OSError(number, "full"))
    assert is_local(OSError(errno.EACCES, "refused"))
