"""One job of a plan, from the original to segments in the bucket. Knows nothing of queues and leases."""

import asyncio
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vodstack_contracts.objects import original_key
from vodstack_worker.arguments import INIT, OUTPUT, Share
from vodstack_worker.errors import GiveUpError
from vodstack_worker.media_process import Limits
from vodstack_worker.plans import ChunkPlan
from vodstack_worker.probe import SOURCE
from vodstack_worker.publish import send_files, withdraw
from vodstack_worker.relay import Relay, StoredObject
from vodstack_worker.scratch import Scratch
from vodstack_worker.segments import ChunkResult, check_chunk, check_sound
from vodstack_worker.settings import Settings
from vodstack_worker.transcode import encode
from vodstack_worker.work import Work

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


class ChunkEncoder:
    """Reads the original where it lies; its scratch holds one chunk's output."""

    def __init__(self, s3: "S3Client", settings: Settings, scratch: Scratch, limits: Limits) -> None:
        self._s3 = s3
        self._settings = settings
        self._scratch = scratch
        self._limits = limits

    async def process(self, made: ChunkPlan, number: int, work: Work) -> ChunkResult:
        """Encode, check, publish. Raises GiveUpError or RetryError."""
        bucket, key = self._settings.bucket, original_key(made.video_id)
        original = StoredObject(s3=self._s3, bucket=bucket, key=key, size=made.size, etag=made.etag)
        relay = Relay({SOURCE: original})
        plan = replace(made.plan, threads=self._settings.threads)
        chunk = None if number == made.sound_number else made.chunks[number]
        share = Share(
            source=relay.url(SOURCE), chunk=chunk, pictures=chunk is not None, sound=chunk is None, names=made.prefix
        )
        start = time.monotonic()
        with self._scratch.job() as folder:
            try:
                with work.in_encode():
                    await encode(folder, plan, self._limits, work.advance, share=share, relay=relay)
            except GiveUpError:
                relay.require_whole()
                raise
            relay.require_whole()
            work.count_bytes("in", relay.sent_bytes)
            seconds = round(time.monotonic() - start, 3)
            if chunk is None:
                result = await asyncio.to_thread(check_sound, folder, seconds)
            else:
                result = await asyncio.to_thread(check_chunk, folder, made, chunk, seconds)
            media = sorted((folder / OUTPUT).rglob("*.m4s"))
            # All chunks have the same init segments, so those of the first will do.
            inits = sorted((folder / OUTPUT).rglob(f"*{INIT}")) if chunk is None or chunk.number == 0 else []
            files = [*media, *inits]
            await send_files(self._s3, bucket, folder, made.video_id, [files], keys=work.keys, on_progress=work.advance)
            work.count_bytes("out", sum(path.stat().st_size for path in files))
        return result

    async def withdraw(self, work: Work) -> None:
        """Take back what was published, for a plan that is no longer wanted."""
        await withdraw(self._s3, self._settings.bucket, work.keys)
