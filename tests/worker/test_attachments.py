"""What a file carries beside its tracks does not count as tracks; a stream of packets may begin within one."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vodstack_contracts.videos import FailureCode
from vodstack_worker.errors import GiveUpError
from vodstack_worker.probed import MAX_TRACKS, Probe


def with_attachments(ffmpeg: str, clip: Path, path: Path, count: int) -> Path:
    font = path.with_name("font.ttf")
    font.write_bytes(bytes(100))
    attached = [word for _ in range(count) for word in ("-attach", font)]
    named = [word for number in range(count) for word in (f"-metadata:s:t:{number}", "mimetype=font/ttf")]
    subprocess.run([ffmpeg, "-v", "error", "-i", clip, *attached, *named, "-c", "copy", path], check=True)
    return path


def with_tracks(ffmpeg: str, clip: Path, path: Path, count: int) -> Path:
    maps = ["-map", "0:v", *(word for _ in range(count - 1) for word in ("-map", "0:a"))]
    subprocess.run([ffmpeg, "-v", "error", "-i", clip, *maps, "-c", "copy", path], check=True)
    return path


def test_fonts_are_no_tracks_and_do_not_keep_a_video_from_being_made(
    ffmpeg: str, tmp_path: Path, tiny_clip: Path, transcode: Callable[[Path], Any]
):
    fonts = with_attachments(ffmpeg, tiny_clip, tmp_path / "fonts.mkv", MAX_TRACKS + 6)
    made = transcode(fonts)
    assert (made.probe.facts.duration_seconds, made.mp4.is_file()) == (pytest.approx(1, abs=0.05), True)


def test_tracks_beyond_the_limit_are_refused_as_before(ffmpeg: str, tmp_path: Path, tiny_clip: Path, probed):
    with pytest.raises(GiveUpError) as refused:
        probed(with_tracks(ffmpeg, tiny_clip, tmp_path / "tracks.mkv", MAX_TRACKS + 1))
    assert refused.value.failure.code is FailureCode.TOO_MANY_STREAMS


@pytest.mark.parametrize("form", ["whole packets", "within a packet", "m2ts", "m2ts within a packet", "fec"])
def test_a_transport_stream_is_read_from_its_first_whole_packet(
    ffmpeg: str, tmp_path: Path, tiny_clip: Path, probed: Callable[[Path], Probe], form: str
):
    path = tmp_path / "clip.ts"
    subprocess.run([ffmpeg, "-v", "error", "-i", tiny_clip, "-c", "copy", path], check=True)
    data = path.read_bytes()
    before, after = (bytes(4), b"") if "m2ts" in form else (b"", bytes(16) if form == "fec" else b"")
    packets = (data[at : at + 188] for at in range(0, len(data), 188))
    # One packet more, as recordings have it before their first table.
    padding = b"\x47\x1f\xff\x10" + b"\xff" * 184
    stream = b"".join(before + packet + after for packet in (padding, *packets))
    path.write_bytes(stream[100:] if "within" in form else stream)
    found = probed(path)
    assert (found.demuxer, [each.index for each in found.audios]) == ("mpegts", [1])
    assert found.facts.duration_seconds == pytest.approx(1, abs=0.05)
