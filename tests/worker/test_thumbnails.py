"""The small pictures of the seek bar show what their cues promise."""

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest
from tests.worker.conftest import Transcode

from vodstack_worker.thumbnails import Sheets, cues

CUE = re.compile(r"(\S+) --> (\S+)\n(\d{3}\.jpg)#xywh=(\d+),(\d+),(\d+),(\d+)\n")


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def brightness(path: Path, place: tuple[int, int, int, int]) -> float:
    x, y, width, height = place
    with av.open(str(path)) as container:
        luma = next(container.decode(video=0)).to_ndarray(format="gray")
    return float(luma[y : y + height, x : x + width].mean())


@pytest.fixture(scope="module")
def brightening(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty seconds at 29.97 frames a second that go from black to white."""
    path = tmp_path_factory.mktemp("clips") / "brightening.mp4"
    picture = "color=black:size=320x180:rate=30000/1001:duration=30,geq=lum='T*8':cb=128:cr=128"
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", picture, *encoding, path], check=True)
    return path


def test_each_cue_shows_the_picture_of_its_time(transcode: Transcode, brightening: Path):
    home = transcode(brightening).folder / "thumbnails"
    found = CUE.findall((home / "index.vtt").read_text())
    assert len(found) == 15
    assert found[0][0] == "00:00:00.000"
    assert [each[1] for each in found[:-1]] == [each[0] for each in found[1:]]
    assert abs(seconds(found[-1][1]) - 30) < 0.1
    for start, _, sheet, *place in found:
        x, y, width, height = map(int, place)
        assert (width, height) == (160, 90)
        # Luma runs from 16 to 235 in video and is stretched to 0 to 255 in a JPEG.
        expected = min(255, max(0, (seconds(start) * 8 - 16) * 255 / 219))
        assert abs(brightness(home / sheet, (x, y, width, height)) - expected) < 8


def test_cues_of_a_long_video_go_on_over_several_sheets():
    sheets = Sheets(groups=8, interval=Fraction(16), width=160, height=90, duration=4 * 3600.0)
    found = CUE.findall(cues(sheets))
    assert len(found) == sheets.count == 900
    assert found[100] == ("00:26:40.000", "00:26:56.000", "001.jpg", "0", "0", "160", "90")
    assert found[-1][1:3] == ("04:00:00.000", "008.jpg")
