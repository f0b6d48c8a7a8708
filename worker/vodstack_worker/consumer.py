"""Takes messages off the queues, one a free slot, and decides what becomes of each."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from structlog.contextvars import bound_contextvars

from vodstack_contracts.errors import MalformedMessageError
from vodstack_contracts.jobs import Arrival, ChunkJob, decode_arrivals, decode_chunk
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Lease, Stage, Status, VideoRecord, Way
from vodstack_worker.admission import EncodingQuota
from vodstack_worker.attempt import Verdict, doubled
from vodstack_worker.chunk_attempt import ChunkAttempt
from vodstack_worker.chunk_encoder import ChunkEncoder
from vodstack_worker.chunk_table import ChunkTable
from vodstack_worker.errors import ConditionFalseError, InstallationError
from vodstack_worker.fair_share import FairShare, Turn
from vodstack_worker.inbox import Inbox
from vodstack_worker.job import Job, Taken
from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.messages import JobQueue, Message
from vodstack_worker.metrics import Metrics
from vodstack_worker.pipeline import Pipeline
from vodstack_worker.pulse import Pulse
from vodstack_worker.records import Records
from vodstack_worker.settings import Settings
from vodstack_worker.tracing import Tracing

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_POISON_SECONDS = 5.0
_SOON_SECONDS = 1
_WAITING = Verdict(done=True, outcome="waiting")

Beat = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Chunks:
    """What a worker needs to take part in plans."""

    queue: JobQueue
    table: ChunkTable
    encoder: ChunkEncoder


@dataclass(frozen=True, kw_only=True)
class Fairness:
    """What an owner may take of the workers at once, and in a day."""

    share: FairShare
    quota: EncodingQuota


class Consumer:
    """As many slots as jobs; each polls, works, polls again, until told to stop."""

    def __init__(
        self,
        *,
        settings: Settings,
        arrivals: JobQueue,
        chunks: Chunks | None,
        records: Records,
        pipeline: Pipeline,
        metrics: Metrics,
        tracing: Tracing,
        pulse: Pulse,
        fairness: Fairness,
    ) -> None:
        self._settings = settings
        self._arrivals = arrivals
        self._chunks = chunks
        self._records = records
        self._pipeline = pipeline
        self._metrics = metrics
        self._tracing = tracing
        self._pulse = pulse
        self._fairness = fairness
        self._broken: InstallationError | None = None
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop. Raises InstallationError, once all is handed back, where the media tools fail."""
        async with asyncio.TaskGroup() as slots:
            for number in range(self._settings.jobs):
                slots.create_task(self._slot(f"slot-{number}", stop))
        if self._broken:
            raise self._broken

    async def _slot(self, name: str, stop: asyncio.Event) -> None:
        pause = _FIRST_PAUSE_SECONDS
        more_waits = False
        queues = [self._arrivals, *([self._chunks.queue] if self._chunks else [])]
        inbox = Inbox(queues, self._settings.poll_wait)
        while not stop.is_set():
            self._pulse.beat(name)
            try:
                # Not cut short by `stop`: a message on its way would be hidden from everybody until its timeout.
                message = await inbox.receive(briefly=more_waits)
                self._pulse.answered()
                if message is None:
                    more_waits = self._settings.is_fair and await self._fairness.share.use_idle_slot()
                else:
                    with bound_contextvars(message_id=message.message_id):
                        await self._handle(message, stop, lambda: self._pulse.beat(name))
                pause = _FIRST_PAUSE_SECONDS
            except AWS_ERRORS as error:
                self._metrics.errors.inc()
                self._log.warning("a queue or a table cannot be reached", error=repr(error)[:300], pause=pause)
                await _until(stop, pause)
                pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
        await inbox.drain()
        self._pulse.forget(name)

    async def _handle(self, message: Message, stop: asyncio.Event, beat: Beat) -> None:
        """Work off one message. It is deleted once nothing it tells of remains to be done."""
        try:
            if self._chunks and message.queue is self._chunks.queue:
                verdict = await self._work_on_chunk(self._chunks, message, stop, beat)
            else:
                verdict = await self._work_on_arrivals(message, stop, beat)
            if verdict.broken:
                self._broken = verdict.broken
                stop.set()
            await self._settle(message, verdict)
        except MalformedMessageError as error:
            # Returned soon, so that the redrive policy puts it into the dead-letter queue before long.
            self._metrics.errors.inc()
            self._log.error("malformed message", error=str(error)[:500])
            await message.hide(_POISON_SECONDS)
        except AWS_ERRORS:
            raise
        except Exception:  # noqa: BLE001 - a defect of ours, or a newer worker's words, must not take the others down
            self._metrics.errors.inc()
            self._log.exception("unexpected error")
            await message.hide(_POISON_SECONDS)

    async def _settle(self, message: Message, verdict: Verdict) -> None:
        if verdict.done:
            await message.delete()
        elif verdict.hide_seconds is not None:
            await message.hide(verdict.hide_seconds)

    async def _work_on_arrivals(self, message: Message, stop: asyncio.Event, beat: Beat) -> Verdict:
        arrivals = decode_arrivals(message.body)
        self._require_bucket(arrivals)
        for number, arrival in enumerate(arrivals):
            if number:
                # The message is as good as new to the next one, whose lease would else have lapsed at its beginning.
                await message.hide(self._settings.visibility_timeout)
                message = replace(message, received_at=time.time())
            with bound_contextvars(video_id=arrival.video_id):
                verdict = await self._process_in_turn(arrival, message, stop, beat)
            if not verdict.done:
                return verdict
        return Verdict(done=True)

    async def _work_on_chunk(self, chunks: Chunks, message: Message, stop: asyncio.Event, beat: Beat) -> Verdict:
        job = decode_chunk(message.body)
        with bound_contextvars(video_id=job.video_id):
            return await self._encode_chunk(chunks, job, message, stop, beat)

    async def _process_in_turn(self, arrival: Arrival, message: Message, stop: asyncio.Event, beat: Beat) -> Verdict:
        turn = await self._fairness.share.admit(arrival, message)
        if turn is None:
            self._metrics.jobs.labels(outcome="waiting").inc()
            return _WAITING
        verdict = await self._process(arrival, message, stop, beat, turn=turn, attempt=True)
        await turn.leave()
        return verdict

    async def _encode_chunk(
        self, chunks: Chunks, job: ChunkJob, message: Message, stop: asyncio.Event, beat: Beat
    ) -> Verdict:
        turn = await self._fairness.share.admit(job, message)
        if turn is None:
            self._metrics.chunks.labels(outcome="waiting").inc()
            return _WAITING
        verdict = await self._encode_in_turn(chunks, job, message, stop, beat, turn=turn)
        await turn.leave()
        return verdict

    async def _encode_in_turn(
        self, chunks: Chunks, job: ChunkJob, message: Message, stop: asyncio.Event, beat: Beat, *, turn: Turn
    ) -> Verdict:
        attempt = ChunkAttempt(
            job,
            message,
            settings=self._settings,
            records=self._records,
            table=chunks.table,
            metrics=self._metrics,
            tracing=self._tracing,
            turn=turn,
        )
        with self._metrics.in_flight.track_inprogress(), self._metrics.processing.time():
            verdict = await attempt.run(chunks.encoder, stop, beat)
        if verdict.outcome:
            self._metrics.chunks.labels(outcome=verdict.outcome).inc()
        if not verdict.goes_on:
            return verdict
        await message.hide(self._settings.visibility_timeout)
        video = Arrival(video_id=job.video_id, bucket=self._settings.bucket, key=original_key(job.video_id))
        return await self._process(video, message, stop, beat, turn=turn, attempt=False)

    async def _process(
        self, arrival: Arrival, message: Message, stop: asyncio.Event, beat: Beat, *, turn: Turn, attempt: bool
    ) -> Verdict:
        lease = Lease(
            token=str(uuid.uuid4()),
            message_id=message.message_id,
            expires_at=(message.received_at if attempt else time.time()) + self._settings.visibility_timeout,
        )
        try:
            record = await self._records.take(arrival.video_id, lease, now=time.time(), attempt=attempt)
        except ConditionFalseError as refused:
            verdict = self._refused(refused.record, message, attempt=attempt)
            self._log.info("not taken", reason=str(refused), outcome=verdict.outcome, hide_seconds=verdict.hide_seconds)
        else:
            if attempt and record.attempts == 1 and not message.has_waited:
                self._metrics.queue_wait.observe(max(0.0, time.time() - message.sent_at))
            task = _task(record, attempt=attempt)
            self._log.info("taken", task=task, attempt=record.attempts, receive_count=message.receive_count)
            taken = Taken(arrival=arrival, record=record, message=message, lease=lease, turn=turn, attempt=attempt)
            job = Job(
                taken,
                settings=self._settings,
                records=self._records,
                chunks=self._chunks.queue if self._chunks else None,
                metrics=self._metrics,
                share=self._fairness.share,
                quota=self._fairness.quota,
            )
            with (
                self._metrics.in_flight.track_inprogress(),
                self._metrics.processing.time(),
                self._tracing.follow(task, record, attempt=record.attempts) as tell,
            ):
                verdict = await job.run(self._pipeline, stop, beat)
                tell(verdict.outcome)
        if verdict.outcome:
            self._metrics.jobs.labels(outcome=verdict.outcome).inc()
        return verdict

    def _refused(self, record: VideoRecord | None, message: Message, *, attempt: bool) -> Verdict:
        """A live lease under this very message means that it came back early; under another, that this is a repeat.

        The last chunk of a plan may be done while another message only looks at what is missing: it tries again.
        """
        if record is not None and record.status is Status.PROCESSING and record.lease is not None:
            left = record.lease.expires_at - time.time()
            if record.lease.message_id == message.message_id:
                return Verdict(done=False, hide_seconds=max(0.0, left) + 1)
            waiting = record.plan is not None and record.plan.way is Way.CHUNKS and record.stage is not Stage.PUBLISH
            if not attempt and waiting:
                # Ever later, for a dead worker's lease may last longer than the queue bears with a message.
                soon = float(doubled(_SOON_SECONDS, message.receive_count))
                return Verdict(done=False, hide_seconds=min(soon, left + 1))
        return Verdict(done=True, outcome="dropped")

    def _require_bucket(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            if arrival.bucket != self._settings.bucket:
                raise MalformedMessageError(f"an event of another bucket: {arrival.bucket!r}")


def _task(record: VideoRecord, *, attempt: bool) -> str:
    """What is done to a video: whoever goes on with one that is in chunks has them all."""
    in_chunks = record.plan is not None and record.plan.way is Way.CHUNKS
    return "assemble video" if in_chunks and not attempt else "process video"


async def _until(stop: asyncio.Event, seconds: float) -> None:
    """A pause that ends when `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
