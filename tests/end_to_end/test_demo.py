import re
import subprocess

import pytest

from .conftest import footage, free_port, is_held


@pytest.mark.prove
@pytest.mark.parametrize(
    ("name", "largest"), [("bikes.mp4", "360p .*640x272 "), ("bigbuckbunny.mp4", "720p .*1280x720 ")]
)
def test_a_video_goes_in_and_a_playable_stream_comes_out(vodstack, name, largest, ffmpeg, tmp_path):
    port, metrics_port = free_port(), free_port()
    kept = tmp_path / "kept here"
    ports = ("--port", port, "--metrics-port", metrics_port)
    demo = vodstack("demo", footage(name), "--keep", kept, "--outputs", *ports)
    assert demo.wait() == 0, demo.output
    assert re.search(r"^ready: ", demo.output, re.MULTILINE)
    assert re.search(largest, demo.output)
    assert re.search(r"local: \d+ resources, \d+ live, \d+ recorded", demo.output)
    emulator = re.search(r"arrivalsQueueUrl +http://127\.0\.0\.1:(\d+)/", demo.output)
    assert emulator
    for held in (port, metrics_port, int(emulator[1])):
        assert not is_held(held)
    assert demo.lines[-1].startswith(f"kept: open '{kept}/video.mp4'")
    for path in ("video.mp4", "hls/master.m3u8", "hls/manifest.mpd", "poster.jpg"):
        # All renditions: ffmpeg cuts the packets of one that is not asked for, and complains of them.
        command = [ffmpeg, "-v", "error", "-i", kept / path, "-map", "0", "-f", "null", "-"]
        played = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (played.returncode, played.stderr) == (0, ""), path


@pytest.mark.prove
def test_media_tools_that_break_on_the_way_end_the_demo_with_a_sentence(vodstack, ffmpeg, tmp_path):
    link = tmp_path / "ffmpeg"
    link.symlink_to(ffmpeg)
    demo = vodstack("demo", footage("bikes.mp4"), environment={"IMAGEIO_FFMPEG_EXE": str(link)})
    demo.wait_for("the API is at")
    link.unlink()
    link.symlink_to("/bin/false")
    assert demo.wait() == 1
    sentence = next(line for line in demo.lines if line.startswith("error: "))
    assert "media tools do not run on this machine" in sentence
    assert "the video failed" not in demo.output
