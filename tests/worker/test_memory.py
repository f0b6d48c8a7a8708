"""What a media tool holds in memory is bounded by what there is, and an accepted picture fits."""

import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vodstack_contracts.memory import LEAST_MEDIA_BYTES, MIB, least_memory_bytes, media_bytes
from vodstack_contracts.videos import FailureCode, Status
from vodstack_worker.errors import GiveUpError
from vodstack_worker.machine import share_of_memory
from vodstack_worker.media_process import Limits, run_tool
from vodstack_worker.memory import encode_bytes, fitting_threads
from vodstack_worker.plans import plan_encode
from vodstack_worker.probe import probe
from vodstack_worker.scratch import Scratch
from vodstack_worker.transcode import encode

HD, UHD, LARGEST = 1920 * 1080, 3840 * 2160, 8192 * 4320
POD_BYTES = media_bytes(1536 * MIB, jobs=1)


@pytest.mark.parametrize(
    ("picture_bytes", "measured"),
    [
        (HD * 3 // 2, {1: 358, 2: 445, 4: 519, 8: 674}),
        (HD * 3, {1: 385, 2: 483, 4: 559, 8: 727}),
        (UHD * 3 // 2, {1: 434, 2: 539, 4: 644, 8: 830}),
        (HD * 3, {1: 503, 8: 858}),
        (UHD * 3, {1: 584, 2: 666, 4: 810, 8: 1055}),
        (UHD * 3, {1: 667, 8: 1206}),
        (LARGEST * 3 // 2, {1: 911, 2: 1062, 4: 1349, 8: 1851}),
        (LARGEST * 3, {1: 1321, 2: 1519}),
    ],
)
def test_an_encode_is_reckoned_to_hold_more_than_was_measured_but_not_much(picture_bytes, measured):
    for threads, mib in measured.items():
        assert mib * MIB < encode_bytes(picture_bytes, threads) < 1.6 * mib * MIB


def test_threads_are_as_many_as_fit_and_no_more_than_there_are():
    assert fitting_threads(LARGEST * 3 // 2, POD_BYTES, most=8) == 2
    assert fitting_threads(HD * 3 // 2, POD_BYTES, most=8) == 8
    assert fitting_threads(HD * 3, LEAST_MEDIA_BYTES, most=64) >= 1
    for threads in (1, 5):
        exact = encode_bytes(UHD, threads)
        assert fitting_threads(UHD, exact, most=64) == threads
    with pytest.raises(GiveUpError) as refused:
        fitting_threads(UHD, encode_bytes(UHD, 1) - 1, most=64)
    assert refused.value.failure.code is FailureCode.DIMENSIONS_TOO_LARGE


def test_what_a_job_gets_is_the_rest_of_the_workers_memory():
    assert least_memory_bytes(3) - least_memory_bytes(2) > LEAST_MEDIA_BYTES
    for jobs in (1, 2, 7):
        assert media_bytes(least_memory_bytes(jobs), jobs) == LEAST_MEDIA_BYTES
        assert media_bytes(least_memory_bytes(jobs) - 1, jobs) < LEAST_MEDIA_BYTES
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 2 * share_of_memory(2) < share_of_memory(1) < machine


HOLDING = "printf -v held %300000000s; while :; do :; done"


def test_a_tool_that_holds_too_much_is_killed(scratch: Scratch, limits: Limits):
    with scratch.job() as folder:
        run = run_tool("/bin/bash", ["-c", HOLDING], folder, replace(limits, memory_bytes=100 * MIB))
        assert asyncio.run(run).exceeded == "memory"


def test_an_encode_that_holds_too_much_is_given_up_with_a_word_of_what_to_do(
    film: Path, scratch: Scratch, limits: Limits
):
    async def run(folder: Path) -> None:
        plan = plan_encode(await probe(folder, limits, max_duration=60), threads=1)
        await encode(folder, plan, replace(limits, memory_bytes=40 * MIB), lambda _: None)

    with scratch.job() as folder:
        shutil.copyfile(film, folder / "source")
        with pytest.raises(GiveUpError, match="smaller picture") as refused:
            asyncio.run(run(folder))
    assert refused.value.failure.code is FailureCode.LIMIT_EXCEEDED


@pytest.mark.prove
def test_a_picture_for_which_there_is_no_memory_fails_and_the_worker_goes_on(
    videos: Any, workers: Any, ffmpeg: str, tiny_clip: Path, tmp_path: Path
):
    path = tmp_path / "large.mp4"
    picture = ["-f", "lavfi", "-i", "color=size=5120x2880:rate=1:duration=1"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg, "-v", "error", *picture, *encoding, path], check=True)
    worker = workers.start(VODSTACK_MEDIA_MEMORY_BYTES=str(LEAST_MEDIA_BYTES))
    record = videos.wait_until(videos.upload(path), Status.FAILED, Status.READY)
    assert record.error.code is FailureCode.DIMENSIONS_TOO_LARGE, worker.log()
    assert "pixels in all, in 8 bits" in record.error.message
    assert record.attempts == 1
    after = videos.wait_until(videos.upload(tiny_clip), Status.FAILED, Status.READY)
    assert after.status is Status.READY, worker.log()
    assert worker.process.poll() is None
