"""Small files that ask for much: each is refused soon, or costs no more than a video of its length may."""

import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from tests.worker.hostile_bytes import blank_png, box, inflating_index, nested, nested_in_avi, nested_in_matroska

from vodstack_contracts.videos import FailureCode
from vodstack_worker.errors import GiveUpError

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
FTYP = box(b"ftyp", b"isom\x00\x00\x02\x00isom")
UNREADABLE = {FailureCode.CORRUPT, FailureCode.NO_VIDEO_STREAM}
DEEP = 100_000
MIB = 1024**2

NESTED = {
    "index in index": FTYP + nested(b"moov", DEEP),
    "track in track": FTYP + box(b"moov", nested(b"trak", DEEP)),
    "words in words": FTYP + box(b"moov", nested(b"udta", DEEP)),
    "tags in tags": nested_in_matroska(DEEP),
    "lists in lists": nested_in_avi(DEEP),
}


def refusal(transcode: Any, path: Path) -> FailureCode:
    with pytest.raises(GiveUpError) as refused:
        transcode(path)
    return refused.value.failure.code


def make(ffmpeg: str, path: Path, source: str, *arguments: str) -> Path:
    subprocess.run([ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", source, *arguments, path], check=True)
    return path


@pytest.mark.parametrize("name", NESTED)
def test_a_file_nested_without_end_is_refused(name: str, tmp_path: Path, transcode: Any):
    path = tmp_path / "deep"
    path.write_bytes(NESTED[name])
    assert refusal(transcode, path) in UNREADABLE


def test_a_file_of_countless_boxes_costs_the_worker_no_memory(tmp_path: Path, transcode: Any):
    path = tmp_path / "countless.mp4"
    path.write_bytes(FTYP + box(b"free", b"") * 300_000)
    tracemalloc.start()
    try:
        assert refusal(transcode, path) in UNREADABLE
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_an_index_that_inflates_is_refused(tmp_path: Path, transcode: Any):
    path = tmp_path / "inflating.mov"
    path.write_bytes(inflating_index(64 * MIB))
    assert path.stat().st_size < MIB
    assert refusal(transcode, path) in UNREADABLE


def test_a_picture_far_larger_than_its_container_says_is_never_decoded(ffmpeg: str, tmp_path: Path, transcode: Any):
    small, giant = blank_png(64), blank_png(30_000)
    (tmp_path / "small.png").write_bytes(small)
    honest = tmp_path / "honest.mov"
    command = [ffmpeg, "-v", "error", "-i", tmp_path / "small.png", "-c", "copy", honest]
    subprocess.run(command, check=True)
    path = tmp_path / "bomb.mov"
    path.write_bytes(with_first_sample(honest.read_bytes(), small, giant))
    assert path.stat().st_size < MIB
    assert refusal(transcode, path) in {FailureCode.CORRUPT, FailureCode.DIMENSIONS_TOO_LARGE}


def with_first_sample(data: bytes, sample: bytes, other: bytes) -> bytes:
    """The file with the one sample in its `mdat` replaced, and its size told in the index."""
    at = data.index(b"mdat") - 4
    size = data.index(b"stsz") + 8
    told = data[:size] + len(other).to_bytes(4) + data[size + 4 :]
    assert int.from_bytes(data[size : size + 4]) == len(sample)
    content = told[at + 8 :].replace(sample, other, 1)
    return told[:at] + (8 + len(sample) + len(other) - len(sample)).to_bytes(4) + b"mdat" + content


def test_a_still_image_that_lasts_for_hours_is_refused_by_its_length(ffmpeg: str, tmp_path: Path, transcode: Any):
    still = make(ffmpeg, tmp_path / "still.mp4", "color=black:s=64x64:r=1/9:d=14400", *H264)
    assert still.stat().st_size < 100_000
    assert refusal(transcode, still) is FailureCode.TOO_LONG


@pytest.mark.parametrize("field", ["mvhd", "mdhd"])
def test_a_length_that_is_merely_claimed_is_not_believed(field: str, ffmpeg: str, tmp_path: Path, transcode: Any):
    honest = make(ffmpeg, tmp_path / "honest.mp4", "color=black:s=64x64:r=10:d=1", *H264)
    data = bytearray(honest.read_bytes())
    claim = data.index(field.encode()) + 20
    data[claim : claim + 4] = b"\x7f\xff\xff\xff"
    path = tmp_path / "claim.mp4"
    path.write_bytes(data)
    assert transcode(path).probe.facts.duration_seconds == pytest.approx(1.0)


def test_frames_that_claim_to_last_for_years_end_soon(ffmpeg: str, tmp_path: Path, transcode: Any):
    honest = make(ffmpeg, tmp_path / "honest.mp4", "color=black:s=64x64:r=10:d=1", *H264, "-bf", "0")
    data = bytearray(honest.read_bytes())
    interval = data.index(b"stts") + 16
    data[interval : interval + 4] = b"\x7f\xff\xff\xff"
    path = tmp_path / "years.mp4"
    path.write_bytes(data)
    assert refusal(transcode, path) in {FailureCode.TOO_LONG, FailureCode.CORRUPT}
