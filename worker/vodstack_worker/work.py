"""Where a job stands, as the heartbeat writes it into the record and the metrics tell it."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from vodstack_contracts.videos import FailureCode, Stage
from vodstack_worker.errors import GiveUpError, RetryError
from vodstack_worker.metrics import Metrics

# Where each stage begins on the way from 0 to 1. Transcoding is nearly all of a job.
_BEGINS = {Stage.DOWNLOAD: 0.0, Stage.PROBE: 0.05, Stage.TRANSCODE: 0.07, Stage.PUBLISH: 0.93}
_ENDS = dict(zip(_BEGINS, [*list(_BEGINS.values())[1:], 1.0], strict=True))


class Work:
    """Stage and progress of one job, both of which only go forward, and the keys that it published."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.stage: Stage | None = None
        self.progress = 0.0
        self.stage_seconds: dict[str, float] = {}
        self.keys: list[str] = []

    @contextmanager
    def in_stage(self, stage: Stage) -> Generator[None]:
        self.stage = stage
        self.advance(0.0)
        start = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - start
            self.stage_seconds[stage.value] = round(seconds, 3)
            self._metrics.stages.labels(stage=stage.value).observe(seconds)

    @contextmanager
    def in_encode(self) -> Generator[None]:
        """Counts how the run of ffmpeg ends."""
        ending = "failed"
        try:
            yield
            ending = "done"
        except asyncio.CancelledError:
            ending = "stopped"
            raise
        except RetryError:
            ending = "killed"
            raise
        except GiveUpError as error:
            ending = "limit" if error.failure.code is FailureCode.LIMIT_EXCEEDED else "failed"
            raise
        finally:
            self._metrics.encodes.labels(ending=ending).inc()

    def count_bytes(self, direction: Literal["in", "out"], size: int) -> None:
        self._metrics.bytes.labels(direction=direction).inc(size)

    def rate_transcoding(self, video_seconds: float, seconds: float | None = None) -> None:
        """Tell how fast the stage that has just ended was, or an encode that took so many `seconds`."""
        taken = self.stage_seconds[Stage.TRANSCODE] if seconds is None else seconds
        self._metrics.realtime_factor.observe(video_seconds / max(0.001, taken))

    def advance(self, fraction: float) -> None:
        """`fraction` of the present stage is done."""
        if self.stage is not None:
            self.progress = max(self.progress, progress_of(self.stage, fraction))


def progress_of(stage: Stage, fraction: float) -> float:
    """How far a video is when `fraction` of that stage is done."""
    begin, end = _BEGINS[stage], _ENDS[stage]
    return round(begin + (end - begin) * min(1.0, fraction), 3)
