"""What `vodstack demo` prints at its end: the result is the last thing to be read."""

import io
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from vodstack_cli.client import Rendition, Video, VideoWarning
from vodstack_cli.report import Report, print_report
from vodstack_cli.verification import Picture
from vodstack_contracts.videos import Status

PICTURE = Picture(width=640, height=360, frames=60, seconds=2.0, has_audio=True)
RENDITION = Rendition(name="360p", width=640, height=360, bitrate=353_000, size_bytes=880_000, codecs="avc1")
REPORT = Report(
    video=Video(video_id="v", status=Status.READY, renditions=[RENDITION]),
    pictures={"360p": PICTURE, "mp4": PICTURE},
    sizes={"video.mp4": 900_000},
    seconds={"upload": 0.1},
    outputs={"bucketName": "vodstack-local", "keyArn": ""},
)


def printed(kept: Path | None = None, *, with_outputs: bool = False) -> list[str]:
    page = io.StringIO()
    print_report(Console(file=page, width=60), REPORT, kept=kept, with_outputs=with_outputs)
    return page.getvalue().splitlines()


@pytest.mark.parametrize("with_outputs", [False, True])
def test_outputs_are_shown_where_they_are_asked_for_and_before_the_result(with_outputs):
    lines = printed(with_outputs=with_outputs)
    assert any("vodstack-local" in line for line in lines) is with_outputs
    assert any(line.startswith("ready:") for line in lines[-4:])


def test_warnings_are_printed_beside_the_result(monkeypatch):
    warning = VideoWarning(code="source_truncated", message="The last 2 seconds are missing.")
    monkeypatch.setattr(REPORT, "video", replace(REPORT.video, warnings=[warning]))
    assert "warning: The last 2 seconds are missing. (source_truncated)" in printed()


def test_the_last_line_says_how_to_watch():
    assert "make demo KEEP=folder" in printed()[-1]
    assert "'/tmp/my folder/video.mp4'" in printed(Path("/tmp/my folder"))[-1]
