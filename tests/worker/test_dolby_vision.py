"""Dolby Vision that other decoders show in green and purple is refused; what has a compatible base layer goes on."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vodstack_contracts.videos import FailureCode
from vodstack_worker.containers import LocalBytes
from vodstack_worker.dolby_vision import require_common_colours
from vodstack_worker.errors import GiveUpError
from vodstack_worker.probed import Probe

ANCESTORS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1")


@pytest.fixture(scope="module")
def hevc(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hevc") / "clip.mp4"
    encoding = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1"]
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=0.3", "-pix_fmt", "yuv420p10le"]
    subprocess.run([ffmpeg, "-v", "error", *source, *encoding, path], check=True)
    return path


def with_configuration(clip: Path, path: Path, kind: bytes, profile: int, compatibility: int) -> Path:
    """The clip with a Dolby Vision configuration box in its sample entry. Its index lies behind the frames."""
    record = bytes([1, 0, profile << 1, 0b00110101, compatibility << 4]).ljust(24, b"\0")
    box = (8 + len(record)).to_bytes(4) + kind + record
    data = bytearray(clip.read_bytes())
    starts = [data.rindex(name) - 4 for name in ANCESTORS]
    for start in starts:
        data[start : start + 4] = (int.from_bytes(data[start : start + 4]) + len(box)).to_bytes(4)
    end = starts[-1] + int.from_bytes(data[starts[-1] : starts[-1] + 4]) - len(box)
    path.write_bytes(data[:end] + box + data[end:])
    return path


def refused(path: Path, demuxer: str) -> FailureCode | None:
    try:
        require_common_colours(LocalBytes(path), demuxer)
    except GiveUpError as error:
        return error.failure.code
    return None


@pytest.mark.parametrize(
    ("kind", "profile", "compatibility", "shown"),
    [
        (b"dvcC", 5, 0, False),
        (b"dvcC", 7, 6, True),
        (b"dvcC", 4, 2, True),
        (b"dvvC", 8, 1, True),
        (b"dvvC", 8, 4, True),
        (b"dvvC", 10, 0, False),
        (b"dvvC", 10, 1, True),
    ],
)
def test_a_profile_is_told_by_the_box_of_an_mp4_and_the_mapping_of_an_mkv(
    ffmpeg: str, tmp_path: Path, hevc: Path, *, kind: bytes, profile: int, compatibility: int, shown: bool
):
    mp4 = with_configuration(hevc, tmp_path / "clip.mp4", kind, profile, compatibility)
    mkv = tmp_path / "clip.mkv"
    subprocess.run([ffmpeg, "-v", "error", "-i", mp4, "-c", "copy", mkv], check=True)
    assert kind in mkv.read_bytes()
    expected = None if shown else FailureCode.UNSUPPORTED_DOLBY_VISION
    assert (refused(mp4, "mov"), refused(mkv, "matroska")) == (expected, expected)


def test_profile_5_fails_with_a_sentence_that_says_what_to_do(
    tmp_path: Path, hevc: Path, probed: Callable[[Path], Probe]
):
    with pytest.raises(GiveUpError) as error:
        probed(with_configuration(hevc, tmp_path / "clip.mp4", b"dvcC", 5, 0))
    assert error.value.failure.code is FailureCode.UNSUPPORTED_DOLBY_VISION
    assert "Export it as SDR, as HDR10, or as Dolby Vision profile 8" in error.value.failure.message
    found = probed(with_configuration(hevc, tmp_path / "clip8.mp4", b"dvvC", 8, 1))
    assert found.facts.video_codec == "hevc"
