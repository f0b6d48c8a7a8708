"""Where the sound goes on for a moment after the last cut, players would wait for that moment for ever."""

import subprocess
from pathlib import Path

import av
import pytest
from tests.worker.conftest import Transcode

from vodstack_worker.playlists import read_playlist
from vodstack_worker.tool_files import JobFiles

SECONDS = 8
# The encoder's delay, and the rest of its last piece.
BEYOND_SECONDS = 3 * 1024 / 48_000


def samples(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0))


def test_sound_that_ends_with_a_segment_has_no_segment_of_a_moment_after_it(
    ffmpeg: str, tmp_path: Path, transcode: Transcode
):
    path = tmp_path / "even.mp4"
    inputs = ["-f", "lavfi", "-i", f"color=size=64x48:rate=10:duration={SECONDS}"]
    inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SECONDS}"]
    subprocess.run([ffmpeg, "-v", "error", *inputs, "-preset", "ultrafast", path], check=True)
    made = transcode(path)
    playlist = read_playlist(JobFiles(made.job), "hls/audio")
    assert playlist.durations == [pytest.approx(SECONDS / 2, abs=BEYOND_SECONDS)] * 2
    assert sorted(path.name for path in made.hls.glob("audio/*.m4s")) == sorted(playlist.segments)
    assert samples(made.hls / "audio/index.m3u8") == samples(made.mp4) >= SECONDS * 48_000
    assert "<S t=" in (made.hls / "manifest.mpd").read_text()
