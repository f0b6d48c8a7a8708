"""One video from its original to its published renditions. Knows nothing of queues and leases."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from vodstack_contracts.jobs import Arrival
from vodstack_contracts.videos import SourceFacts, Stage
from vodstack_worker.media_process import Limits
from vodstack_worker.originals import fetch_original
from vodstack_worker.probe import SOURCE, probe
from vodstack_worker.publish import Published, measure_output, publish, withdraw
from vodstack_worker.scratch import Scratch, used_bytes
from vodstack_worker.settings import Settings
from vodstack_worker.thumbnails import make_thumbnails
from vodstack_worker.transcode import OUTPUT, assemble, encode, plan_encode
from vodstack_worker.work import Work

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_ANY_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a processed video adds to its record."""

    source: SourceFacts
    published: Published

    def changes(self, work: Work) -> dict[str, Any]:
        return {
            "source": self.source,
            "renditions": self.published.renditions,
            "playback": self.published.playback,
            "progress": 1.0,
            "stage_seconds": work.stage_seconds,
        }


class Pipeline:
    """Downloads, probes, transcodes, publishes. Raises GiveUpError or RetryError."""

    def __init__(self, s3: "S3Client", settings: Settings, scratch: Scratch) -> None:
        self._s3 = s3
        self._settings = settings
        self._scratch = scratch
        self._limits = Limits(
            memory_bytes=settings.media_memory_bytes,
            cpu_seconds=_ANY_SECONDS,
            wall_seconds=_ANY_SECONDS,
            scratch_bytes=scratch.job_bytes,
            uid=settings.media_uid,
        )

    async def process(self, arrival: Arrival, work: Work) -> Outcome:
        log = structlog.get_logger().bind(video_id=arrival.video_id)
        bucket = self._settings.bucket
        with self._scratch.job() as folder:
            with work.in_stage(Stage.DOWNLOAD):
                await fetch_original(
                    self._s3,
                    bucket,
                    arrival.key,
                    folder / SOURCE,
                    room_bytes=self._scratch.job_bytes,
                    on_progress=work.advance,
                )
            work.count_bytes("in", (folder / SOURCE).stat().st_size)
            with work.in_stage(Stage.PROBE):
                found = await probe(folder, self._limits, max_duration=self._settings.max_duration)
                plan = plan_encode(found, self._settings.threads)
            log.info("planned", source=found.facts.container, rungs=[rung.name for rung in plan.rungs])
            with work.in_stage(Stage.TRANSCODE):
                await encode(folder, plan, self._limits, work.advance)
                await assemble(folder, plan, self._limits)
                await make_thumbnails(folder, plan, self._limits)
                published = await asyncio.to_thread(measure_output, folder, plan, arrival.video_id)
            work.rate_transcoding(found.facts.duration_seconds)
            with work.in_stage(Stage.PUBLISH):
                await publish(self._s3, bucket, folder, arrival.video_id, keys=work.keys, on_progress=work.advance)
            work.count_bytes("out", await asyncio.to_thread(used_bytes, folder / OUTPUT))
        return Outcome(source=found.facts, published=published)

    async def withdraw(self, work: Work) -> None:
        """Take back what was published, for a video that was deleted meanwhile."""
        await withdraw(self._s3, self._settings.bucket, work.keys)
