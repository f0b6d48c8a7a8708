"""Takes messages off the queue, one a free slot, and decides what becomes of each."""

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from vodstack_contracts.errors import MalformedMessageError
from vodstack_contracts.jobs import Arrival, decode_arrivals
from vodstack_contracts.videos import Lease, Status, VideoRecord
from vodstack_worker.errors import ConditionFalseError
from vodstack_worker.job import Job, Taken, Verdict
from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.messages import Arrivals, Message
from vodstack_worker.metrics import Metrics
from vodstack_worker.pipeline import Pipeline
from vodstack_worker.pulse import Pulse
from vodstack_worker.records import Records
from vodstack_worker.settings import Settings

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_POISON_SECONDS = 5.0


class Consumer:
    """As many slots as jobs; each polls, works, polls again, until told to stop."""

    def __init__(
        self,
        *,
        settings: Settings,
        arrivals: Arrivals,
        records: Records,
        pipeline: Pipeline,
        metrics: Metrics,
        pulse: Pulse,
    ) -> None:
        self._settings = settings
        self._arrivals = arrivals
        self._records = records
        self._pipeline = pipeline
        self._metrics = metrics
        self._pulse = pulse
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as slots:
            for number in range(self._settings.jobs):
                slots.create_task(self._slot(f"slot-{number}", stop))

    async def _slot(self, name: str, stop: asyncio.Event) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not stop.is_set():
            self._pulse.beat(name)
            try:
                # Not cut short by `stop`: a message on its way would be hidden from everybody until its timeout.
                message = await self._arrivals.receive()
                self._pulse.answered()
                if message is not None:
                    await self._handle(message, stop, lambda: self._pulse.beat(name))
                pause = _FIRST_PAUSE_SECONDS
            except AWS_ERRORS as error:
                self._metrics.errors.inc()
                self._log.warning("the queue or the table cannot be reached", error=repr(error)[:300], pause=pause)
                await until(stop, asyncio.sleep(pause))
                pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
        self._pulse.forget(name)

    async def _handle(self, message: Message, stop: asyncio.Event, beat: Callable[[], None]) -> None:
        """Work off one message. It is deleted once nothing it tells of remains to be done."""
        try:
            arrivals = decode_arrivals(message.body)
            self._require_bucket(arrivals)
        except MalformedMessageError as error:
            # Returned soon, so that the redrive policy puts it into the dead-letter queue before long.
            self._metrics.errors.inc()
            self._log.error("malformed message", message_id=message.message_id, error=str(error)[:500])
            await self._arrivals.hide(message, _POISON_SECONDS)
            return
        for arrival in arrivals:
            verdict = await self._process(arrival, message, stop, beat)
            if verdict.outcome:
                self._metrics.jobs.labels(outcome=verdict.outcome).inc()
            if verdict.hide_seconds is not None:
                await self._arrivals.hide(message, verdict.hide_seconds)
            if not verdict.done:
                return
        await self._arrivals.delete(message)

    async def _process(
        self, arrival: Arrival, message: Message, stop: asyncio.Event, beat: Callable[[], None]
    ) -> Verdict:
        lease = Lease(
            token=str(uuid.uuid4()),
            message_id=message.message_id,
            expires_at=message.received_at + self._settings.visibility_timeout,
        )
        log = self._log.bind(video_id=arrival.video_id, message_id=message.message_id)
        try:
            record = await self._records.take(arrival.video_id, lease, now=time.time())
        except ConditionFalseError as refused:
            verdict = self._refused(refused.record, message)
            log.info("not taken", reason=str(refused), verdict=verdict)
            return verdict
        if record.attempts == 1:
            self._metrics.queue_wait.observe(max(0.0, time.time() - message.sent_at))
        log.info("taken", attempt=record.attempts, receive_count=message.receive_count)
        taken = Taken(arrival=arrival, record=record, message=message, lease=lease)
        job = Job(taken, self._settings, self._arrivals, self._records, self._metrics)
        with self._metrics.in_flight.track_inprogress(), self._metrics.processing.time():
            return await job.run(self._pipeline, stop, beat)

    def _refused(self, record: VideoRecord | None, message: Message) -> Verdict:
        """A live lease under this very message means that it came back early; under another, that this is a repeat."""
        if record is not None and record.status is Status.PROCESSING and record.lease is not None:
            left = record.lease.expires_at - time.time()
            if record.lease.message_id == message.message_id:
                return Verdict(done=False, hide_seconds=max(0.0, left) + 1)
        return Verdict(done=True, outcome="dropped")

    def _require_bucket(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            if arrival.bucket != self._settings.bucket:
                raise MalformedMessageError(f"an event of another bucket: {arrival.bucket!r}")


async def until(stop: asyncio.Event, doing: Coroutine[Any, Any, T]) -> T | None:
    """What `doing` returns, or None if `stop` is set first."""
    task, stopped = asyncio.ensure_future(doing), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, stopped):
            each.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
