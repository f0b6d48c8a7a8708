"""One job of a plan, from the original to segments in the bucket. Knows nothing of queues and leases."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from vodstack_contracts.objects import original_key
from vodstack_worker.arguments import INIT
from vodstack_worker.departures import send_as_written
from vodstack_worker.errors import GiveUpError
from vodstack_worker.media_check import blaming_tools
from vodstack_worker.media_process import Limits
from vodstack_worker.memory import fitting_threads
from vodstack_worker.plans import Chunk, ChunkPlan, Share
from vodstack_worker.probed import SOURCE
from vodstack_worker.publish import send_files, withdraw
from vodstack_worker.relay import Relay, StoredObject
from vodstack_worker.scratch import Scratch
from vodstack_worker.segments import ChunkResult, check_audio, check_chunk, segments_of
from vodstack_worker.settings import Settings
from vodstack_worker.tool_files import JobFiles
from vodstack_worker.transcode import encode
from vodstack_worker.work import Work

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

# Sound that waits in scratch to be sent: at most half an hour of it, and not so little that nothing would ever leave.
_MOST_SOUND_BYTES = 32 * 1024 * 1024
_LEAST_SOUND_BYTES = 1024 * 1024


class ChunkEncoder:
    """Reads the original where it lies; its scratch holds one chunk's output, and of the sound what is not sent yet."""

    def __init__(self, s3: "S3Client", settings: Settings, scratch: Scratch, limits: Limits) -> None:
        self._s3 = s3
        self._settings = settings
        self._scratch = scratch
        self._limits = limits
        self._sound_bytes = max(_LEAST_SOUND_BYTES, min(_MOST_SOUND_BYTES, limits.scratch_bytes // 2))

    async def process(self, made: ChunkPlan, number: int, work: Work) -> ChunkResult:
        """Encode, check, publish. Raises GiveUpError, InstallationError or RetryError."""
        async with blaming_tools(self._scratch, self._limits):
            return await self._process(made, number, work)

    async def _process(self, made: ChunkPlan, number: int, work: Work) -> ChunkResult:
        bucket, key = self._settings.bucket, original_key(made.video_id)
        original = StoredObject(s3=self._s3, bucket=bucket, key=key, size=made.size, etag=made.etag)
        relay = Relay({SOURCE: original})
        pictures = made.plan.probe.picture_bytes
        threads = fitting_threads(pictures, self._limits.memory_bytes, self._settings.threads)
        plan = structs.replace(made.plan, threads=threads)
        chunk = None if number == made.sound_number else made.chunks[number]
        share = Share(
            source=relay.url(SOURCE), chunk=chunk, video=chunk is not None, audio=chunk is None, names=made.prefix
        )
        start = time.monotonic()
        with self._scratch.job() as folder:
            files = JobFiles(folder)
            limits = replace(self._limits, pause_bytes=self._sound_bytes if chunk is None else 0)
            run = encode(folder, plan, limits, work.advance, share=share, relay=relay)
            sent: dict[str, list[str]] = {}
            try:
                with work.in_encode():
                    if chunk is None:
                        send = partial(self._send_sound, files, made.video_id, work, relay)
                        homes = [f"hls/{name}" for name in plan.audio_names]
                        log, sent = await send_as_written(run, files, homes, send, made.prefix)
                    else:
                        log = await run
            except GiveUpError:
                relay.require_whole()
                raise
            relay.require_whole()
            work.count_bytes("in", relay.sent_bytes)
            seconds = round(time.monotonic() - start, 3)
            if chunk is None:
                result = await asyncio.to_thread(check_audio, folder, made, sent, log, seconds)
            else:
                result = await asyncio.to_thread(check_chunk, folder, made, chunk, log, seconds)
            names = _left_to_send(made, chunk, sent, len(result.lengths))
            await self._send(files, made.video_id, work, names, work.advance)
        return result

    async def _send_sound(self, files: JobFiles, video_id: str, work: Work, relay: Relay, names: list[str]) -> None:
        """Not what followed on a read that broke: it might take the place of what another worker made."""
        relay.require_whole()
        await self._send(files, video_id, work, names, lambda _: None)

    async def _send(
        self, files: JobFiles, video_id: str, work: Work, names: list[str], on_progress: Callable[[float], None]
    ) -> None:
        bucket = self._settings.bucket
        size = await send_files(self._s3, bucket, files, video_id, [names], keys=work.keys, on_progress=on_progress)
        work.count_bytes("out", size)

    async def withdraw(self, work: Work) -> None:
        """Take back what was published, for a plan that is no longer wanted."""
        await withdraw(self._s3, self._settings.bucket, work.keys)


def _left_to_send(made: ChunkPlan, chunk: Chunk | None, sent: dict[str, list[str]], segments: int) -> list[str]:
    """The files of a job that are to be sent now: by the plan, whatever else lies there."""
    if chunk is None:
        return [
            f"hls/{home}/{name}"
            for home in made.plan.audio_names
            for name in [f"{made.prefix}{INIT}", *map(made.segment_name, range(len(sent[home]), segments))]
        ]
    # All chunks have the same init segments, so those of the first will do.
    inits = [f"{made.prefix}{INIT}"] if chunk.number == 0 else []
    return [f"hls/{rung.name}/{name}" for rung in made.plan.rungs for name in [*inits, *segments_of(made, chunk)]]
