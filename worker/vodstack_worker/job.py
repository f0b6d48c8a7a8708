"""One taken video: the pipeline and the heartbeat side by side, and the write that ends it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from msgspec.structs import replace

from vodstack_contracts.jobs import Arrival, encode_chunk
from vodstack_contracts.videos import EncodePlan, Failure, FailureCode, Lease, Stage, Status, VideoRecord, Way
from vodstack_worker.admission import Admission, EncodingQuota
from vodstack_worker.attempt import Verdict, delay_after, is_local, run_held
from vodstack_worker.errors import (
    ConditionFalseError,
    FallBackError,
    GiveUpError,
    InstallationError,
    LeaseLostError,
    NotYetError,
    RetryError,
)
from vodstack_worker.fair_share import FairShare, Turn
from vodstack_worker.lease import AWS_ERRORS, HeldVideo, LeaseKeeper
from vodstack_worker.messages import JobQueue, Message
from vodstack_worker.metrics import FALLEN_BACK, Metrics
from vodstack_worker.pipeline import Outcome, Pipeline, ToChunks
from vodstack_worker.records import Records
from vodstack_worker.settings import Settings
from vodstack_worker.work import Work

_RETURN_SECONDS = 5.0
_SETBACK_CHARACTERS = 500
# With the sweep's usual pause these are four days, for as long as a message lives.
_MOST_RESENDS = 16
_GIVEN_UP = "The video could not be processed in several attempts. Upload it again, or ask the operator."


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A video in this worker's hands: what the queue said, the record as it was taken, and the lease on it.

    It was counted as an `attempt`, or goes on with one that was.
    """

    arrival: Arrival
    record: VideoRecord
    message: Message
    lease: Lease
    turn: Turn
    attempt: bool


class Job:
    """Runs one video and decides, by the kind of error, between trying again and giving up."""

    def __init__(
        self,
        taken: Taken,
        *,
        settings: Settings,
        records: Records,
        chunks: JobQueue | None,
        metrics: Metrics,
        share: FairShare,
        quota: EncodingQuota,
    ) -> None:
        self._taken = taken
        self._video_id = taken.record.video_id
        self._lease = taken.lease
        self._settings = settings
        self._records = records
        self._chunks = chunks
        self._metrics = metrics
        self._share = share
        self._admission = Admission(taken.record, taken.lease.token, taken.turn, quota, records)
        self._log = structlog.get_logger()

    async def run(self, pipeline: Pipeline, stop: asyncio.Event, beat: Callable[[], None]) -> Verdict:
        work = Work(self._metrics)
        held = HeldVideo(self._records, self._video_id, self._lease, self._taken.turn)
        keeper = LeaseKeeper(held, self._taken.message, self._settings.visibility_timeout)
        doing = self._process(pipeline, work)
        try:
            task = await run_held(doing, keeper.keep(work), stop, beat)
            return await (self._hand_back() if task is None else self._conclude(task, work))
        except ConditionFalseError as lost:
            return await self._lost(LeaseLostError(str(lost), lost.record, known=True), pipeline, work)
        except LeaseLostError as lost:
            return await self._lost(lost, pipeline, work)

    async def _process(self, pipeline: Pipeline, work: Work) -> Outcome | ToChunks:
        """Nothing counts the workers that a video takes down with them, but they leave it to the sweep."""
        if self._taken.record.resent >= _MOST_RESENDS:
            raise GiveUpError(FailureCode.PROCESSING_FAILED, _GIVEN_UP)
        return await pipeline.process(self._taken.arrival, self._taken.record, work, self._admission)

    async def _conclude(self, task: asyncio.Task[Outcome | ToChunks], work: Work) -> Verdict:
        try:
            outcome = task.result()
        except InstallationError as broken:
            return await self._hand_back(broken)
        except GiveUpError as error:
            return await self._fail(error.failure, str(error))
        except RetryError as error:
            return await self._retry(str(error), counted=error.counted)
        except FallBackError as error:
            return await self._fall_back(str(error))
        except NotYetError as error:
            return await self._wait(error)
        except AWS_ERRORS as error:
            return await self._retry(repr(error), counted=is_local(error))
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take the other jobs down
            self._log.exception("unexpected error")
            return await self._retry(repr(error), counted=True, why="unexpected")
        if isinstance(outcome, ToChunks):
            return await self._hand_on(outcome, work)
        changes = outcome.changes(work)
        await self._records.finish(self._video_id, Status.READY, self._lease.token, changes, ("error", "setback"))
        self._metrics.plans.labels(way=outcome.plan.way.value).inc()
        self._log.info("ready", way=outcome.plan.way, why=outcome.plan.reason, stage_seconds=changes["stage_seconds"])
        return Verdict(done=True, outcome="ready")

    async def _hand_on(self, outcome: ToChunks, work: Work) -> Verdict:
        """The video is nobody's while its chunks are encoded. Should this die in between, the message comes back."""
        if self._chunks is None:
            return await self._retry("there is no chunks queue", counted=True)
        changes = {
            "plan": outcome.plan,
            "lease": replace(self._lease, expires_at=0.0),
            "stage": Stage.TRANSCODE,
            "progress": outcome.progress,
            "stage_seconds": self._taken.record.stage_seconds | work.stage_seconds,
        }
        await self._records.amend(self._video_id, self._lease.token, changes)
        was = self._taken.record.plan
        if was is None or was.plan_id != outcome.plan.plan_id:
            self._metrics.chunks_planned.inc(len(outcome.jobs))
        try:
            await self._chunks.send([encode_chunk(job) for job in outcome.jobs])
        except (RetryError, *AWS_ERRORS) as error:
            self._metrics.errors.inc()
            self._log.warning("could not send chunk jobs", error=repr(error)[:300])
            delay = delay_after(self._taken.message.receive_count, self._settings.retry_delay)
            return Verdict(done=False, outcome="retried", hide_seconds=delay)
        self._log.info("handed on to chunks", plan_id=outcome.plan.plan_id, jobs=len(outcome.jobs))
        return Verdict(done=True, outcome="planned")

    async def _fall_back(self, reason: str) -> Verdict:
        """What was encoded does not fit together: the same message, come back, leads to one pass."""
        self._log.warning("falls back to one pass", reason=reason)
        self._metrics.plans.labels(way=FALLEN_BACK).inc()
        was = self._taken.record.plan
        plan = EncodePlan(way=Way.ONE_PASS, reason=reason, plan_id=was.plan_id if was else "")
        changes = {"plan": plan, "lease": replace(self._lease, expires_at=0.0)}
        await self._records.amend(self._video_id, self._lease.token, changes)
        return Verdict(done=False, outcome="retried", hide_seconds=0.0)

    async def _wait(self, reason: NotYetError) -> Verdict:
        """The lease goes first, for the arrival that is sent in time would be dropped while it stands.

        Should this die in between, the message comes back, and the video is planned again.
        """
        record = self._taken.record
        changes: dict[str, object] = {"progress": 0.0, "attempts": max(0, record.attempts - self._taken.attempt)}
        if reason.until is not None:
            changes["waits_until"] = reason.until
        await self._records.put_back(self._video_id, self._lease.token, changes)
        await self._share.wait(record, self._taken.arrival, self._taken.message, reason.until)
        self._log.info("put back", reason=str(reason), until=reason.until)
        return Verdict(done=True, outcome="waiting")

    async def _fail(self, failure: Failure, reason: str) -> Verdict:
        self._metrics.errors.inc()
        self._metrics.failures.labels(code=failure.code.value).inc()
        self._log.warning("failed", code=failure.code, reason=reason[:1000])
        is_ours = failure.code is FailureCode.PROCESSING_FAILED
        forgotten = ("charge",) if is_ours else ()
        await self._records.finish(self._video_id, Status.FAILED, self._lease.token, {"error": failure}, forgotten)
        if is_ours:
            await self._admission.refund()
        return Verdict(done=True, outcome="failed")

    async def _retry(self, reason: str, *, counted: bool, why: str = "") -> Verdict:
        failures = self._taken.record.failures + counted
        if failures >= self._settings.max_failures:
            failure = Failure(code=FailureCode.PROCESSING_FAILED, message=_GIVEN_UP)
            return await self._fail(failure, reason)
        self._metrics.errors.inc()
        self._metrics.retries.labels(reason=why or ("counted" if counted else "not_counted")).inc()
        times = failures if counted else self._taken.message.receive_count
        delay = delay_after(times, self._settings.retry_delay)
        self._log.warning("will be tried again", reason=reason[:1000], failures=failures, delay=delay)
        released = replace(self._lease, expires_at=0.0)
        changes = {"lease": released, "failures": failures, "setback": reason[:_SETBACK_CHARACTERS]}
        await self._records.amend(self._video_id, self._lease.token, changes)
        return Verdict(done=False, outcome="retried", hide_seconds=delay)

    async def _hand_back(self, broken: InstallationError | None = None) -> Verdict:
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
            return Verdict(done=False, outcome="returned", broken=broken)
        return Verdict(done=False, outcome="returned", hide_seconds=0.0, broken=broken)

    async def _lost(self, lost: LeaseLostError, pipeline: Pipeline, work: Work) -> Verdict:
        """A video that has come to its end, or is gone, needs its message no more; a taken one has another's."""
        over = lost.known and (lost.record is None or lost.record.status is not Status.PROCESSING)
        self._metrics.heartbeats_lost.labels(reason="ended" if over else lost.kind).inc()
        self._log.warning("lease lost", reason=str(lost), over=over)
        if lost.known and (lost.record is None or lost.record.status is Status.DELETED):
            try:
                await pipeline.withdraw(work)
            except AWS_ERRORS as error:
                self._log.warning("could not withdraw what was published", error=repr(error)[:300])
        return Verdict(done=over, outcome="dropped")
