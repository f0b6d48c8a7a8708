"""A file that ends before its video does: what can be shown is shown, and the record says so."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vodstack_contracts.videos import FailureCode, Status, WarningCode, Way
from vodstack_worker.boxes import Part, boxes
from vodstack_worker.containers import LocalBytes, demuxer_of
from vodstack_worker.errors import GiveUpError
from vodstack_worker.probed import Probe
from vodstack_worker.truncation import find_cut

FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov", "-g", "10")
RATE = 10


class Remote(LocalBytes):
    """A file whose every look is a request."""

    requests = 0

    def read(self, start: int, length: int) -> bytes:
        self.requests += 1
        return super().read(start, length)


def record(ffmpeg: str, path: Path, *options: str, seconds: int = 6) -> Path:
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=64x48:rate={RATE}:duration={seconds}"]
    tone = ["-f", "lavfi", "-i", f"sine=duration={seconds}"]
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg, "-v", "error", *picture, *tone, *video, *options, path], check=True)
    return path


def parts(path: Path, kind: bytes) -> list[Part]:
    file = LocalBytes(path)
    return [part for part in boxes(file, 0, file.size) if part.kind == kind]


def cut(path: Path, size: int) -> Path:
    shorter = path.with_name(f"cut_{path.name}")
    shorter.write_bytes(path.read_bytes()[:size])
    return shorter


def told(path: Path) -> str:
    file = LocalBytes(path)
    found = find_cut(file, demuxer_of(file), remote=False)
    return found.sentence if found else ""


@pytest.fixture(scope="module")
def fragments(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(ffmpeg, tmp_path_factory.mktemp("cut") / "clip.mp4", *FRAGMENTS)


def test_a_fragmented_mp4_is_shown_up_to_where_it_was_cut(fragments: Path, probed: Callable[[Path], Probe]):
    found = probed(cut(fragments, parts(fragments, b"mdat")[3].content + 200))
    (warning,) = found.warnings
    assert warning.code is WarningCode.SOURCE_TRUNCATED
    assert warning.message.startswith("The file ends within a fragment, after ")
    assert f"{found.facts.duration_seconds:.1f} seconds" in warning.message
    assert found.facts.duration_seconds == pytest.approx(3.1, abs=0.15)


@pytest.mark.parametrize(
    ("kind", "number", "offset", "is_cut"),
    [
        (b"moof", 3, 3, True),
        (b"moof", 3, 4, True),
        (b"moof", 3, 100, True),
        (b"mdat", 3, 0, True),
        (b"mdat", 3, 8, True),
        (b"moof", 3, 0, False),
        (b"mfra", 0, 20, False),
    ],
)
def test_every_place_in_a_fragment_is_a_cut(fragments: Path, kind: bytes, number: int, offset: int, *, is_cut: bool):
    assert bool(told(cut(fragments, parts(fragments, kind)[number].start + offset))) is is_cut


def test_half_a_table_of_fragments_does_not_keep_the_rest_from_being_encoded(
    fragments: Path, transcode: Callable[[Path], Any]
):
    made = transcode(cut(fragments, parts(fragments, b"moof")[3].start + 100))
    assert made.probe.facts.duration_seconds == pytest.approx(3.0, abs=0.05)


@pytest.mark.prove
def test_what_is_read_where_it_lies_ends_before_half_a_table_as_well(
    ffmpeg: str, tmp_path: Path, videos: Any, workers: Any
):
    ways = {12: Way.CHUNKS, 5: Way.ONE_PASS}
    uploaded: dict[str, Way] = {}
    for seconds, way in ways.items():
        whole = record(ffmpeg, tmp_path / f"{seconds}.mp4", *FRAGMENTS, seconds=seconds)
        uploaded[videos.upload(cut(whole, parts(whole, b"moof")[-1].start + 100))] = way
    workers.start(VODSTACK_CHUNK_SECONDS="4", VODSTACK_LOCAL_BYTES="0")
    for video_id, way in uploaded.items():
        made = videos.wait_until(video_id, Status.READY, Status.FAILED)
        assert (made.error, made.plan.way) == (None, way), made.plan
        assert [warning.code for warning in made.warnings] == [WarningCode.SOURCE_TRUNCATED]


def test_what_holds_no_whole_fragment_is_refused(fragments: Path):
    for size in (parts(fragments, b"moov")[0].end - 1, parts(fragments, b"mdat")[0].end - 1):
        with pytest.raises(GiveUpError) as refused:
            told(cut(fragments, size))
        assert refused.value.failure.code is FailureCode.CORRUPT


@pytest.mark.parametrize("options", [(), ("-movflags", "faststart")], ids=["index behind", "index in front"])
def test_an_mp4_without_fragments_is_refused_as_before(ffmpeg: str, tmp_path: Path, options: tuple[str, ...]):
    path = record(ffmpeg, tmp_path / "clip.mp4", *options, seconds=1)
    assert told(path) == ""
    with pytest.raises(GiveUpError) as refused:
        told(cut(path, path.stat().st_size - 50))
    assert refused.value.failure.code is FailureCode.CORRUPT


def test_an_index_of_segments_tells_of_those_that_are_missing(ffmpeg: str, tmp_path: Path):
    path = record(ffmpeg, tmp_path / "clip.mp4", "-movflags", "frag_keyframe+empty_moov+global_sidx", "-g", "10")
    assert (told(path), bool(told(cut(path, parts(path, b"moof")[3].start)))) == ("", True)


def test_the_end_of_a_long_recording_is_looked_at_where_it_lies(ffmpeg: str, tmp_path: Path):
    path = record(ffmpeg, tmp_path / "clip.mp4", "-movflags", "frag_every_frame+empty_moov")
    file, shorter = Remote(path), Remote(cut(path, parts(path, b"mdat")[-2].content + 1))
    assert find_cut(file, "mov", remote=True) is None
    assert find_cut(shorter, "mov", remote=True) == (
        f"The file ends within a fragment, after {shorter.size:,} bytes.",
        shorter.size,
    )
    assert shorter.requests < 70


@pytest.mark.parametrize(("ending", "audio"), [("mkv", "aac"), ("avi", "libmp3lame"), ("asf", "wmav2"), ("flv", "aac")])
def test_other_containers_warn_where_they_declare_more_than_is_there(
    ffmpeg: str, tmp_path: Path, probed: Callable[[Path], Probe], ending: str, audio: str
):
    path = record(ffmpeg, tmp_path / f"clip.{ending}", "-c:a", audio)
    assert told(path) == ""
    found = probed(cut(path, path.stat().st_size // 2))
    assert [warning.code for warning in found.warnings] == [WarningCode.SOURCE_TRUNCATED]
    assert 2 < found.facts.duration_seconds < 4.5


def test_a_matroska_file_that_has_all_its_bytes_is_whole_whatever_length_it_declares(
    ffmpeg: str, tmp_path: Path, probed: Callable[[Path], Probe]
):
    path = record(ffmpeg, tmp_path / "clip.mkv")
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3
    data[at : at + 8] = struct.pack(">d", 60_000.0)
    path.write_bytes(data)
    assert probed(path).warnings == []
    assert [warning.code for warning in probed(cut(path, len(data) - 10)).warnings] == [WarningCode.SOURCE_TRUNCATED]


def test_a_recording_that_declares_nothing_ends_where_it_ends(
    ffmpeg: str, tmp_path: Path, probed: Callable[[Path], Probe]
):
    path = record(ffmpeg, tmp_path / "clip.ts")
    assert probed(cut(path, path.stat().st_size // 2)).warnings == []
