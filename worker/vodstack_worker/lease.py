"""Keeps a video and its message in this worker's hands while it works, and says so when they are lost."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog
from aiohttp import ClientError as TransportError
from botocore.exceptions import BotoCoreError, ClientError
from msgspec.structs import replace

from vodstack_contracts.jobs import ChunkJob
from vodstack_contracts.videos import Lease
from vodstack_worker.chunk_table import ChunkTable
from vodstack_worker.errors import ConditionFalseError, LeaseLostError
from vodstack_worker.fair_share import Turn
from vodstack_worker.messages import Message
from vodstack_worker.records import Records
from vodstack_worker.work import Work

AWS_ERRORS = (BotoCoreError, ClientError, TransportError, OSError, TimeoutError)

_TICK_SECONDS = 1.0
_BEATS_PER_TIMEOUT = 4
_MARGIN = 0.1
_LAST_BEAT_SECONDS = 5.0
# What of progress is worth a write.
_STEP = 0.01


class Held(Protocol):
    """What is in this worker's hands under a lease."""

    @property
    def lease(self) -> Lease: ...

    async def write(self, work: Work, lease: Lease | None, /) -> None:
        """Write down how far the work is, and the lease where it moves. Raises LeaseLostError."""
        ...


class HeldVideo:
    """A video's record."""

    def __init__(self, records: Records, video_id: str, lease: Lease, turn: Turn) -> None:
        self._records = records
        self._video_id = video_id
        self._turn = turn
        self.lease = lease

    async def write(self, work: Work, lease: Lease | None) -> None:
        changes: dict[str, object] = {"progress": work.progress, "stage": work.stage}
        if lease:
            changes["lease"] = lease
        try:
            await self._records.amend(self._video_id, self.lease.token, changes)
        except ConditionFalseError as lost:
            raise LeaseLostError(f"the lease is lost: {lost}", lost.record, known=True) from lost
        if lease:
            await self._turn.extend(lease.expires_at)


class HeldJob:
    """One job of a plan. How far it is concerns nobody else."""

    def __init__(self, table: ChunkTable, job: ChunkJob, lease: Lease, turn: Turn) -> None:
        self._table = table
        self._job = job
        self._turn = turn
        self.lease = lease

    async def write(self, _: Work, lease: Lease | None) -> None:
        if lease:
            await self._table.extend(self._job.plan_id, self._job.number, lease)
            await self._turn.extend(lease.expires_at)


class LeaseKeeper:
    """The heartbeat of one job: the lease first, then the message, so that the message never outlives the lease."""

    def __init__(self, held: Held, message: Message, visibility: int) -> None:
        self._held = held
        self._message = message
        self._lease = held.lease
        self._visibility = visibility
        self._log = structlog.get_logger().bind(message_id=message.message_id)

    async def keep(self, work: Work) -> None:
        """Beat until cancelled. Raises LeaseLostError."""
        beat = self._visibility / _BEATS_PER_TIMEOUT
        next_beat = time.time() + beat
        written_stage, written_progress = None, 0.0
        while True:
            await asyncio.sleep(min(_TICK_SECONDS, beat))
            moment, stage, progress = time.time(), work.stage, work.progress
            if moment < next_beat and stage is written_stage and progress < written_progress + _STEP:
                continue
            try:
                await _to_its_end(self._write(work, extend=moment >= next_beat))
            except AWS_ERRORS as error:
                self._require_time(error)
                continue
            written_stage, written_progress = stage, progress
            next_beat = moment + beat if moment >= next_beat else next_beat

    async def _write(self, work: Work, *, extend: bool) -> None:
        lease = replace(self._lease, expires_at=time.time() + self._visibility) if extend else None
        async with asyncio.timeout(self._left()):
            await self._held.write(work, lease)
        if lease:
            self._lease = lease
            await self._message.hide(self._visibility)

    def _left(self) -> float:
        """Seconds until the work has to stop, a margin before somebody else may begin."""
        return max(0.0, self._lease.expires_at - time.time() - self._visibility * _MARGIN)

    def _require_time(self, error: Exception) -> None:
        self._log.warning("heartbeat failed", error=repr(error)[:300], seconds_left=round(self._left(), 1))
        if self._left() <= _TICK_SECONDS:
            raise LeaseLostError("the heartbeat failed until the lease was about to lapse") from error


async def _to_its_end(beat: Coroutine[Any, Any, None]) -> None:
    """A beat that is on its way is waited for, even when cancelled: it would undo what is written after it."""
    task = asyncio.create_task(beat)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_LAST_BEAT_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
