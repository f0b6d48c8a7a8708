"""What the probe warns of is in the record of a ready video, whichever way it was transcoded."""

from pathlib import Path

import pytest
from tests.worker.running import SMALL_CHUNKS, Videos, Workers
from tests.worker.test_audio_check import garbled, make
from tests.worker.test_truncation import FRAGMENTS, cut, parts, record

from vodstack_contracts.videos import Status, WarningCode, Way


@pytest.mark.prove
def test_warnings_come_through_one_pass_and_through_chunks(
    ffmpeg: str, tmp_path: Path, videos: Videos, workers: Workers
):
    recording = record(ffmpeg, tmp_path / "recording.mp4", *FRAGMENTS, seconds=12)
    long = videos.upload(cut(recording, parts(recording, b"moof")[-1].end))
    short = videos.upload(garbled(make(ffmpeg, tmp_path / "clip.mp4", "aac")))
    worker = workers.start(**SMALL_CHUNKS)
    ready = [videos.wait_until(each, Status.READY, Status.FAILED) for each in (long, short)]
    assert [each.status for each in ready] == [Status.READY, Status.READY], worker.log()
    assert [each.plan and each.plan.way for each in ready] == [Way.CHUNKS, Way.ONE_PASS], worker.log()
    codes = [[warning.code for warning in each.warnings] for each in ready]
    assert codes == [[WarningCode.SOURCE_TRUNCATED], [WarningCode.AUDIO_UNREADABLE]]
