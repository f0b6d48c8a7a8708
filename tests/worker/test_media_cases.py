"""Odd sources, each uploaded twice, in one pass and in chunks: `make prove ARGS=tests/worker/test_media_cases.py`.

A table shows what was right and what was got. MEDIA_CASES names a folder whose files take the place of those that are
made here, by their names.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from tests.worker.media_cases import CASES, Case, Right

from vodstack_contracts.objects import rendition_key
from vodstack_contracts.videos import Status, VideoRecord, Way

WAYS = {
    "one pass": {"VODSTACK_CHUNKS_QUEUE_URL": ""},
    "chunks": {"VODSTACK_CHUNK_SECONDS": "4", "VODSTACK_LOCAL_BYTES": "0"},
}
AAC_SECONDS = 1024 / 48_000

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Got:
    """What became of a source; lengths are those of the published MP4's tracks."""

    record: VideoRecord
    video: float = 0.0
    audio: float | None = None

    def __str__(self) -> str:
        if self.record.error:
            return f"failed {self.record.error.code}"
        told = ",".join(warning.code for warning in self.record.warnings)
        heard = "none" if self.audio is None else f"{self.audio:.2f}"
        way = self.record.plan.way.value if self.record.plan else ""
        top = self.record.renditions[0]
        return f"{self.video:.2f} s, audio {heard}, {top.width}x{top.height}, {way} {told}".strip()

    def faults(self, right: Right, *, chunks: bool) -> list[str]:
        """What is wrong with it."""
        if right.code or self.record.error:
            code = self.record.error.code if self.record.error else None
            return [] if code == right.code else [f"code {code}"]
        top, plan = self.record.renditions[0], self.record.plan
        found = {
            "video": abs(self.video - right.seconds) <= right.slack,
            "audio": (self.audio is not None) == right.audio,
            "audio as long as video": self.audio is None or abs(self.audio - self.video) <= AAC_SECONDS,
            "warnings": frozenset(warning.code for warning in self.record.warnings) == right.warnings,
            "size": right.size in {None, (top.width, top.height)},
            "way": not chunks or right.chunked is None or (plan and plan.way is Way.CHUNKS) == right.chunked,
        }
        return [name for name, holds in found.items() if not holds]


def source(case: Case, folder: Path) -> Path:
    given = Path(os.environ.get("MEDIA_CASES", "")) / case.name
    path = folder / case.name
    if os.environ.get("MEDIA_CASES") and given.is_file():
        shutil.copyfile(given, path)
    else:
        case.make(path)
    return path


def measure(videos: Any, record: VideoRecord, folder: Path) -> Got:
    if record.status is not Status.READY:
        return Got(record)
    path = folder / f"{record.video_id}.mp4"
    videos.s3.download_file(videos.foundation.bucket, rendition_key(record.video_id, "video.mp4"), str(path))
    with av.open(str(path)) as container:
        lengths = {stream.type: float((stream.duration or 0) * (stream.time_base or 0)) for stream in container.streams}
    return Got(record, lengths["video"], lengths.get("audio"))


def table(way: str, got: dict[str, Got], wrong: dict[str, list[str]]) -> str:
    lines = [f"\n{way}", f"  {'input':28} {'right':20} {'got':60}"]
    for case in CASES:
        right = f"failed {case.right.code}" if case.right.code else f"{case.right.seconds:.2f} s"
        verdict = f"WRONG: {', '.join(wrong[case.name])}" if wrong[case.name] else ""
        lines.append(f"  {case.name:28} {right:20} {got[case.name]!s:60} {verdict}".rstrip())
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("way", WAYS)
def test_every_case_is_right(way: str, videos: Any, workers: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    uploaded = {case.name: videos.upload(source(case, tmp_path)) for case in CASES}
    workers.start(**WAYS[way])
    got = {}
    for case in CASES:
        record = videos.wait_until(uploaded[case.name], Status.READY, Status.FAILED)
        got[case.name] = measure(videos, record, tmp_path)
    wrong = {case.name: got[case.name].faults(case.right, chunks=way == "chunks") for case in CASES}
    with capsys.disabled():
        sys.stdout.write(table(way, got, wrong))
    assert not {name: faults for name, faults in wrong.items() if faults}
