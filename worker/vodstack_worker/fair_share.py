"""An owner's share of the workers: so many of its jobs at once, and what is more waits, and goes on by itself.

A job that gets no turn is written into the work table, and only then is its message deleted. Whoever ends a job of the
owner sends the next one; a worker with nothing else to do sends any. So nobody asks a queue in vain
(docs/adr/0088-an-owners-share-of-the-workers.md).
"""

import time
import uuid
from collections.abc import Mapping

import structlog

from vodstack_contracts.jobs import Arrival, ChunkJob, encode_arrival, encode_chunk
from vodstack_contracts.videos import Status, VideoRecord
from vodstack_worker.errors import NotYetError
from vodstack_worker.messages import JobQueue, Message
from vodstack_worker.records import Records
from vodstack_worker.turns import Entering, Entry, Turns
from vodstack_worker.waiting import Line, QueuedJob, QueueName, Waiting, WaitingList

# A message that comes back so often is no longer written down: its queue counts on, and gives it up in the end.
_MOST_RECEIVES = 10
# How often a worker that has nothing to do looks for what waits for another day.
_DUE_SECONDS = 60.0
_UNDER_WAY = frozenset({Status.UPLOADING, Status.QUEUED, Status.PROCESSING})


class FairShare:
    """With `most` 0, everybody gets a turn at once, and what waits from earlier is sent on."""

    def __init__(
        self,
        *,
        turns: Turns,
        waiting: WaitingList,
        records: Records,
        queues: Mapping[QueueName, JobQueue],
        most: int,
        visibility: int,
    ) -> None:
        self.most = most
        self._turns = turns
        self._waiting = waiting
        self._records = records
        self._queues = queues
        self._visibility = visibility
        self._looks_for_due_at = 0.0
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    async def admit(self, work: Arrival | ChunkJob, message: Message) -> "Turn | None":
        """Return a turn for a job; None where it waits, and its message may be deleted."""
        record = await self._records.read(work.video_id) if self.most else None
        owner = _owner(record)
        if record is None or owner is None:
            return Turn(None, None, "")
        job = queued_job(record, owner, work)
        if record.status not in _UNDER_WAY or _is_held(record, work):
            # Nothing is to be done, unless its owner's next job waits for this to be seen.
            return Turn(self, job, "")
        turn = Turn(self, job, str(uuid.uuid4()))
        most = self.most if message.receive_count < _MOST_RECEIVES else None
        entry = turn.entry_until(message.received_at + self._visibility)
        if await self._turns.enter(owner, job.key, entry, most=most) is not Entering.FULL:
            return turn
        await self._wait(Line.ANY, job, message)
        return None

    async def wait(self, record: VideoRecord, arrival: Arrival, message: Message, until: float | None) -> None:
        """Write a video down that was begun, and may not go on yet. The message may be deleted then."""
        job = queued_job(record, record.owner or "", arrival)
        await self._wait(Line.LONG if until is None else Line.DAY, job, message, until)

    async def _wait(self, line: Line, job: QueuedJob, message: Message, until: float | None = None) -> None:
        await self._waiting.put(line, job, receives=message.receive_count, until=until)
        self._log.info("waits for its owner's share", line=line.value, job=job.key, until=until)
        # Whoever gave the last turn back may have looked before this was written.
        await self.hand_over(job.owner)

    async def hand_over(self, owner: str) -> None:
        """Send what waits, in order, for as many turns as the owner has left."""
        while await self._hand_one(owner):
            pass

    async def _hand_one(self, owner: str) -> bool:
        running = await self._turns.read(owner)
        for line in (Line.LONG, Line.ANY):
            is_long = line is Line.LONG
            if self.most and running.count(long=is_long) >= self.most:
                continue
            for waiting in await self._waiting.first(line, owner):
                held = running.live.get(waiting.job)
                if held and held.token:
                    # Another message of this job is at work, and brings it to its end.
                    await self._waiting.remove(waiting)
                elif not held:
                    return await self._send(waiting, is_long=is_long, most=self.most or None)
        return False

    async def use_idle_slot(self) -> bool:
        """Send something that waits, beyond its owner's share: no message has come that would be delayed by it.

        Return whether something was sent.
        """
        if time.monotonic() >= self._looks_for_due_at:
            self._looks_for_due_at = time.monotonic() + _DUE_SECONDS
            await self._begin_due()
        if not self.most:
            return False
        for waiting in await self._waiting.some():
            if await self._send(waiting, is_long=False, most=None):
                return True
        return False

    async def _begin_due(self) -> None:
        """Send what has waited for this day; each finds out by itself whether it may go on now."""
        while due := await self._waiting.due():
            for waiting in due:
                await self._queues[waiting.queue].send_again(waiting.body, receives=waiting.receives)
                await self._waiting.remove(waiting)

    async def recover(self) -> None:
        """Send what waits though its owner has turns left: a worker may have died between two writes."""
        await self._begin_due()
        async for owner in self._waiting.owners():
            await self.hand_over(owner)

    async def is_waiting(self, record: VideoRecord) -> bool:
        return await self._waiting.holds(record)

    async def _send(self, waiting: Waiting, *, is_long: bool, most: int | None) -> bool:
        """Keep a turn for it, send it, forget it: a crash in between repeats a message and loses none."""
        kept = Entry(token="", expires_at=time.time() + self._visibility, long=is_long)
        if await self._turns.enter(waiting.owner, waiting.job, kept, most=most) is not Entering.ENTERED:
            return False
        queue = self._queues[waiting.queue]
        await queue.send_again(waiting.body, receives=waiting.receives)
        await self._waiting.remove(waiting)
        self._log.info("goes on", job=waiting.job, line=waiting.pk)
        return True

    async def extend(self, job: QueuedJob, entry: Entry) -> None:
        await self._turns.extend(job.owner, job.key, entry)

    async def claim_long(self, job: QueuedJob, entry: Entry) -> bool:
        return await self._turns.claim_long(job.owner, job.key, entry, most=self.most)

    async def leave(self, job: QueuedJob, token: str) -> None:
        await self._turns.leave(job.owner, job.key, token)
        await self.hand_over(job.owner)


class Turn:
    """The right to work on one job. It lapses as a lease does, and is given back when the job has come to an end.

    Without a share it is everybody's; without a token it holds nothing, and what was kept for the job is given back.
    """

    def __init__(self, share: FairShare | None, job: QueuedJob | None, token: str) -> None:
        self._share = share
        self._job = job
        self._entry = Entry(token=token, expires_at=0.0)

    def entry_until(self, expires_at: float) -> Entry:
        """Return what the table is to hold of it."""
        self._entry = Entry(token=self._entry.token, expires_at=expires_at, long=self._entry.long)
        return self._entry

    async def extend(self, expires_at: float) -> None:
        if self._share and self._job and self._entry.token:
            await self._share.extend(self._job, self.entry_until(expires_at))

    async def require_long(self) -> None:
        """Raises NotYetError where as many long jobs of the owner as may be are worked on."""
        if not (self._share and self._job and self._entry.token):
            return
        if not await self._share.claim_long(self._job, self._entry):
            raise NotYetError("the owner's share of long jobs is in use")
        self._entry = Entry(token=self._entry.token, expires_at=self._entry.expires_at, long=True)

    async def leave(self) -> None:
        """Give it back, and send the owner's next job. Only then may the message be deleted."""
        if self._share and self._job:
            await self._share.leave(self._job, self._entry.token)


def queued_job(record: VideoRecord, owner: str, work: Arrival | ChunkJob) -> QueuedJob:
    """Return the job that a message tells of, as it is written down."""
    is_chunk = isinstance(work, ChunkJob)
    return QueuedJob(
        owner=owner,
        video_id=record.video_id,
        upload_date=record.upload_date,
        queue="chunks" if is_chunk else "arrivals",
        body=encode_chunk(work) if is_chunk else encode_arrival(work.video_id, work.bucket, work.size_bytes),
        number=work.number if is_chunk else None,
    )


def _owner(record: VideoRecord | None) -> str | None:
    """Return whose share counts; the former owner's where the video is deleted."""
    if record is None:
        return None
    return record.deletion.former_owner if record.deletion else record.owner


def _is_held(record: VideoRecord, work: Arrival | ChunkJob) -> bool:
    """Whether the video itself is in hand, so that an arrival will be refused."""
    return isinstance(work, Arrival) and record.lease is not None and record.lease.expires_at > time.time()
