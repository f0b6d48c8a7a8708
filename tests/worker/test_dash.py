"""The DASH manifest plays the same frames and sound as HLS, from the same files."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.worker.conftest import Transcode

NAMESPACE = {"": "urn:mpeg:dash:schema:mpd:2011"}


@pytest.fixture(scope="module")
def film(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds at 29.97 frames a second with a tone: three segments, two rungs."""
    path = tmp_path_factory.mktemp("clips") / "film.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30000/1001:duration=10"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=10"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *picture, *tone, *encoding, path], check=True)
    return path


def packets(ffmpeg: str, path: Path, kind: str, number: int) -> list[str]:
    """Times, length and hash of every packet of one stream."""
    selection = ["-map", f"0:{kind}:{number}", "-c", "copy"]
    command = [ffmpeg, "-v", "error", "-copyts", "-i", path, *selection, "-f", "framemd5", "-"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [",".join(line.split(",")[:6]) for line in lines if not line.startswith("#")]


def test_dash_plays_what_hls_plays_and_describes_what_was_measured(transcode: Transcode, film: Path, ffmpeg: str):
    made = transcode(film)
    hls = made.hls
    for kind, number in (("v", 0), ("v", 1), ("a", 0)):
        found = packets(ffmpeg, hls / "manifest.mpd", kind, number)
        assert len(found) >= 300
        assert found == packets(ffmpeg, hls / "master.m3u8", kind, number)
    root = ET.fromstring((made.hls / "manifest.mpd").read_text())  # noqa: S314 - our own
    assert 10.0 <= float(root.get("mediaPresentationDuration", "")[2:-1]) < 10.05
    pictures, sound = root.findall("Period/AdaptationSet", NAMESPACE)
    assert [each.get("id") for each in pictures.findall("Representation", NAMESPACE)] == ["360p", "240p"]
    assert {each.get("frameRate") for each in pictures.findall("Representation", NAMESPACE)} == {"30000/1001"}
    (spoken,) = sound.findall("Representation", NAMESPACE)
    assert (spoken.get("id"), spoken.get("codecs")) == ("audio", "mp4a.40.2")
    for each in (pictures, sound):
        parts = each.findall("SegmentTemplate/SegmentTimeline/S", NAMESPACE)
        segments = sum(int(part.get("r", "0")) + 1 for part in parts)
        folder = made.hls / (each.findall("Representation", NAMESPACE)[0].get("id") or "")
        assert segments == len(list(folder.glob("*.m4s")))


def test_a_silent_video_has_no_set_of_sound(transcode: Transcode, film: Path, ffmpeg: str, tmp_path: Path):
    silent = tmp_path / "silent.mp4"
    subprocess.run([ffmpeg, "-v", "error", "-i", film, "-an", "-t", "1", "-c", "copy", silent], check=True)
    root = ET.fromstring((transcode(silent).hls / "manifest.mpd").read_text())  # noqa: S314 - our own
    assert [each.get("contentType") for each in root.findall("Period/AdaptationSet", NAMESPACE)] == ["video"]
