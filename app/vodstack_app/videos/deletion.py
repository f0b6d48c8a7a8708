"""Deleting a video: the record goes out of sight at once, its objects follow, and then it goes itself.

Whatever dies in between, the record stays among the deleted ones and says when to look at it next
(docs/adr/0014-a-deleted-video-stays-until-its-objects-are-gone.md).
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import structlog
from msgspec.structs import replace

from vodstack_app.errors import AppError
from vodstack_app.fair_use.storage import Storage
from vodstack_app.identity import Identity
from vodstack_app.uploads.orphans import Orphans
from vodstack_app.videos.objects import StoredObjects
from vodstack_app.videos.records import Records
from vodstack_contracts.videos import Deletion, Status, VideoRecord

log: structlog.stdlib.BoundLogger = structlog.get_logger()

SWEEP_SECONDS = 600.0
# By then no worker that missed the deletion publishes, and no upload that it overtook completes.
SETTLING_SECONDS = 24 * 3600
PARALLEL = 4


class Deletions:
    """Takes videos away, and what will never be one."""

    def __init__(self, records: Records, objects: StoredObjects, storage: Storage, orphans: Orphans) -> None:
        self._records = records
        self._objects = objects
        self._storage = storage
        self._orphans = orphans
        self._slots = asyncio.Semaphore(PARALLEL)
        self._running: set[asyncio.Task[None]] = set()

    async def delete(self, video_id: str, identity: Identity) -> None:
        """Take the video out of sight; its objects follow. Raises NotFoundError or UnavailableError."""
        record = await self._records.find(video_id, identity)
        moment = time.time()
        deletion = Deletion(former_owner=record.owner, deleted_at=int(moment), purge_at=int(moment))
        if await self._records.delete(video_id, deletion):
            await self._credit(record, moment)
        self._keep(self._purge(video_id, deletion))

    async def withdraw(self, video_id: str, owner: str, size_bytes: int | None = None) -> bool:
        """Take back a video of whose original nothing is known; False where somebody has found it.

        An original that comes late is removed with the record. Raises UnavailableError.
        """
        moment = time.time()
        deletion = Deletion(former_owner=owner, deleted_at=int(moment), purge_at=int(moment) + SETTLING_SECONDS)
        barred = await self._records.withdraw(video_id, deletion)
        if barred is None:
            # Whoever else has deleted it has done this, too.
            await self._storage.credit(owner, size_bytes, since=moment)
        return barred in {None, Status.DELETED}

    async def _credit(self, record: VideoRecord, moment: float) -> None:
        try:
            await self._storage.credit(record.owner, record.size_bytes, since=moment)
        except AppError as error:
            log.warning("bytes stay counted until a recount", video_id=record.video_id, cause=repr(error.__cause__))

    def start(self) -> None:
        """Finish what was left unfinished, now and from time to time."""
        self._keep(self._sweep_for_ever())

    async def leave(self) -> None:
        """Stop; what is unfinished is found by the next sweep, here or elsewhere."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self._sweep()
            except AppError as error:
                log.warning("deleted videos and orphans not looked for", cause=repr(error.__cause__))
            except Exception:
                log.exception("the sweep of deleted videos failed")
            await asyncio.sleep(SWEEP_SECONDS)

    async def _sweep(self) -> None:
        async for video_id, deletion in self._records.due_deletions(time.time()):
            await self._purge(video_id, deletion)
        await self._orphans.clear()

    async def _purge(self, video_id: str, deletion: Deletion) -> None:
        settled_at = deletion.deleted_at + SETTLING_SECONDS
        # Read first: what appears while the objects go must not be taken for gone.
        is_settled = time.time() >= settled_at
        try:
            async with self._slots:
                # First what may still become an object.
                await self._orphans.clear_video(video_id)
                await self._objects.remove(video_id)
                if is_settled:
                    await self._records.forget(video_id)
                else:
                    await self._records.put_off(video_id, replace(deletion, purge_at=settled_at))
        except AppError as error:
            log.warning("a deleted video's objects are left to the sweep", video_id=video_id, cause=repr(error))
