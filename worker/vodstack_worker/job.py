"""One taken video: the pipeline and the heartbeat side by side, and the write that ends it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import ClientError as TransportError
from msgspec.structs import replace

from vodstack_contracts.jobs import Arrival
from vodstack_contracts.videos import Failure, FailureCode, Lease, Status, VideoRecord
from vodstack_worker.errors import ConditionFalseError, GiveUpError, LeaseLostError, RetryError
from vodstack_worker.lease import AWS_ERRORS, LeaseKeeper
from vodstack_worker.messages import Arrivals, Message
from vodstack_worker.metrics import Metrics
from vodstack_worker.pipeline import Outcome, Pipeline
from vodstack_worker.records import Records
from vodstack_worker.settings import Settings
from vodstack_worker.work import Work

_LONGEST_DELAY_SECONDS = 900
_RETURN_SECONDS = 5.0
_BEAT_SECONDS = 5.0
_SETBACK_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of the message: `done` deletes it, `hide_seconds` says when it may be seen again."""

    done: bool
    outcome: str = ""
    hide_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A video in this worker's hands: what the queue said, the record as it was taken, and the lease on it."""

    arrival: Arrival
    record: VideoRecord
    message: Message
    lease: Lease


class Job:
    """Runs one video and decides, by the kind of error, between trying again and giving up."""

    def __init__(
        self, taken: Taken, settings: Settings, arrivals: Arrivals, records: Records, metrics: Metrics
    ) -> None:
        self._taken = taken
        self._video_id = taken.record.video_id
        self._lease = taken.lease
        self._settings = settings
        self._arrivals = arrivals
        self._records = records
        self._metrics = metrics
        self._log = structlog.get_logger().bind(video_id=self._video_id)

    async def run(self, pipeline: Pipeline, stop: asyncio.Event, beat: Callable[[], None]) -> Verdict:
        work = Work(self._metrics)
        keeper = LeaseKeeper(
            self._records,
            self._arrivals,
            message=self._taken.message,
            video_id=self._video_id,
            lease=self._lease,
            visibility=self._settings.visibility_timeout,
        )
        tasks: dict[str, asyncio.Task[Any]] = {
            "work": asyncio.create_task(pipeline.process(self._taken.arrival, work)),
            "lease": asyncio.create_task(keeper.keep(work)),
            "stop": asyncio.create_task(stop.wait()),
            "pulse": asyncio.create_task(_beat(beat)),
        }
        try:
            await asyncio.wait({tasks["work"], tasks["lease"], tasks["stop"]}, return_when=asyncio.FIRST_COMPLETED)
            finished = tasks["work"].done()
        finally:
            for task in tasks.values():
                task.cancel()
            # Only when every one of them has ended may the record be written: two writers would race.
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        try:
            if finished:
                return await self._conclude(tasks["work"], work)
            if tasks["lease"].done() and not tasks["lease"].cancelled():
                tasks["lease"].result()
            return await self._hand_back()
        except ConditionFalseError as lost:
            return await self._lost(LeaseLostError(str(lost), lost.record, known=True), pipeline, work)
        except LeaseLostError as lost:
            return await self._lost(lost, pipeline, work)

    async def _conclude(self, task: asyncio.Task[Outcome], work: Work) -> Verdict:
        try:
            outcome = task.result()
        except GiveUpError as error:
            return await self._fail(error.failure, str(error))
        except RetryError as error:
            return await self._retry(str(error), counted=error.counted)
        except AWS_ERRORS as error:
            # A full disk is this worker's trouble; the network's and AWS's is nobody's fault.
            local = isinstance(error, OSError) and not isinstance(error, TransportError | TimeoutError)
            return await self._retry(repr(error), counted=local)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take the other jobs down
            self._log.exception("unexpected error")
            return await self._retry(repr(error), counted=True, why="unexpected")
        changes = outcome.changes(work)
        await self._records.finish(self._video_id, Status.READY, self._lease.token, changes, ("error", "setback"))
        self._log.info("ready", stage_seconds=work.stage_seconds)
        return Verdict(done=True, outcome="ready")

    async def _fail(self, failure: Failure, reason: str) -> Verdict:
        self._metrics.errors.inc()
        self._metrics.failures.labels(code=failure.code.value).inc()
        self._log.warning("failed", code=failure.code, reason=reason[:1000])
        await self._records.finish(self._video_id, Status.FAILED, self._lease.token, {"error": failure}, ())
        return Verdict(done=True, outcome="failed")

    async def _retry(self, reason: str, *, counted: bool, why: str = "") -> Verdict:
        failures = self._taken.record.failures + counted
        if failures >= self._settings.max_failures:
            message = "The video could not be processed in several attempts. Upload it again, or ask the operator."
            failure = Failure(code=FailureCode.PROCESSING_FAILED, message=message)
            return await self._fail(failure, reason)
        self._metrics.errors.inc()
        self._metrics.retries.labels(reason=why or ("counted" if counted else "not_counted")).inc()
        delay = min(_LONGEST_DELAY_SECONDS, self._settings.retry_delay * 2 ** max(0, failures - 1))
        self._log.warning("will be tried again", reason=reason[:1000], failures=failures, delay=delay)
        released = replace(self._lease, expires_at=0.0)
        changes = {"lease": released, "failures": failures, "setback": reason[:_SETBACK_CHARACTERS]}
        await self._records.amend(self._video_id, self._lease.token, changes)
        return Verdict(done=False, outcome="retried", hide_seconds=delay)

    async def _hand_back(self) -> Verdict:
        """The worker is leaving: the next one may begin at once."""
        self._log.info("handing back")
        try:
            async with asyncio.timeout(_RETURN_SECONDS):
                await self._records.amend(
                    self._video_id, self._lease.token, {"lease": replace(self._lease, expires_at=0.0)}
                )
        except AWS_ERRORS as error:
            # The lease lapses by itself, and the message comes back with it.
            self._log.warning("could not release the lease", error=repr(error)[:300])
            return Verdict(done=False, outcome="returned")
        return Verdict(done=False, outcome="returned", hide_seconds=0.0)

    async def _lost(self, lost: LeaseLostError, pipeline: Pipeline, work: Work) -> Verdict:
        """A video that has come to its end, or is gone, needs its message no more; a taken one has another's."""
        self._metrics.heartbeats_lost.inc()
        over = lost.known and (lost.record is None or lost.record.status is not Status.PROCESSING)
        self._log.warning("lease lost", reason=str(lost), over=over)
        if lost.known and (lost.record is None or lost.record.status is Status.DELETED):
            try:
                await pipeline.withdraw(work)
            except AWS_ERRORS as error:
                self._log.warning("could not withdraw what was published", error=repr(error)[:300])
        return Verdict(done=over, outcome="dropped")


async def _beat(beat: Callable[[], None]) -> None:
    while True:
        beat()
        await asyncio.sleep(_BEAT_SECONDS)
