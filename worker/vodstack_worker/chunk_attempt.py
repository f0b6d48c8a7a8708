"""One chunk job in this worker's hands: taken, encoded once, added to the set of those that are done."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from msgspec.structs import replace

from vodstack_contracts.jobs import ChunkJob
from vodstack_contracts.videos import EncodePlan, Lease, Stage, Status, VideoRecord, Way
from vodstack_worker.attempt import Verdict, delay_after, is_local, run_held
from vodstack_worker.chunk_encoder import ChunkEncoder
from vodstack_worker.chunk_table import ChunkTable, Standing
from vodstack_worker.errors import (
    ConditionFalseError,
    GiveUpError,
    InstallationError,
    JobRefusedError,
    LeaseLostError,
    MismatchError,
    RetryError,
)
from vodstack_worker.fair_share import Turn
from vodstack_worker.lease import AWS_ERRORS, HeldJob, LeaseKeeper
from vodstack_worker.messages import Message
from vodstack_worker.metrics import FALLEN_BACK, Metrics
from vodstack_worker.records import Records
from vodstack_worker.segments import ChunkResult
from vodstack_worker.settings import Settings
from vodstack_worker.tracing import Tracing
from vodstack_worker.work import Work, progress_of

_MISMATCHES = 2
_RETURN_SECONDS = 5.0
_REASON_CHARACTERS = 300
_DROPPED = Verdict(done=True, outcome="dropped")


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """A job, the plan that it belongs to, and the lease under which it is this worker's."""

    record: VideoRecord
    standing: Standing
    lease: Lease
    failures: int


class ChunkAttempt:
    """Decides, by the kind of error, between trying again and giving the chunks up for one pass."""

    def __init__(
        self,
        job: ChunkJob,
        message: Message,
        *,
        settings: Settings,
        records: Records,
        table: ChunkTable,
        metrics: Metrics,
        tracing: Tracing,
        turn: Turn,
    ) -> None:
        self._job = job
        self._message = message
        self._settings = settings
        self._records = records
        self._table = table
        self._metrics = metrics
        self._tracing = tracing
        self._turn = turn
        self._log = structlog.get_logger().bind(plan_id=job.plan_id, chunk=job.number)

    async def run(self, encoder: ChunkEncoder, stop: asyncio.Event, beat: Callable[[], None]) -> Verdict:
        taken = await self._take()
        if isinstance(taken, Verdict):
            return taken
        about = {"plan_id": self._job.plan_id, "chunk": self._job.number}
        with self._tracing.follow("encode chunk", taken.record, **about) as tell:
            verdict = await self._encode(taken, encoder, stop, beat)
            tell(verdict.outcome)
        return verdict

    async def _encode(
        self, taken: _Taken, encoder: ChunkEncoder, stop: asyncio.Event, beat: Callable[[], None]
    ) -> Verdict:
        work = Work(self._metrics)
        keeper = LeaseKeeper(
            HeldJob(self._table, self._job, taken.lease, self._turn), self._message, self._settings.visibility_timeout
        )
        start = time.monotonic()
        try:
            doing = encoder.process(taken.standing.plan, self._job.number, work)
            task = await run_held(doing, keeper.keep(work), stop, beat)
            if task is None:
                return await self._hand_back(taken)
            verdict = await self._conclude(task, taken, encoder, work)
        except LeaseLostError as lost:
            self._metrics.heartbeats_lost.labels(reason=lost.kind).inc()
            self._log.warning("lease lost", reason=str(lost))
            return Verdict(done=False, outcome="dropped")
        if verdict.outcome == "encoded":
            self._metrics.chunk_durations.observe(time.monotonic() - start)
        return verdict

    async def _take(self) -> _Taken | Verdict:
        """The job, unless it is of no more use, somebody else's, or done."""
        record = await self._records.read(self._job.video_id)
        if record is None:
            return _DROPPED
        if (verdict := self._superseded(record)) is not None:
            return verdict
        lease = Lease(
            token=str(uuid.uuid4()),
            message_id=self._message.message_id,
            expires_at=self._message.received_at + self._settings.visibility_timeout,
        )
        try:
            failures = await self._table.take(self._job.plan_id, self._job.number, lease)
        except JobRefusedError as refused:
            return await self._refused(refused)
        standing = await self._table.read_standing(self._job.plan_id)
        if standing is None or self._job.number not in standing.plan.numbers:
            return _DROPPED
        if self._job.number in standing.results:
            return _leave(standing)
        self._log.info("chunk taken", receive_count=self._message.receive_count)
        return _Taken(record=record, standing=standing, lease=lease, failures=failures)

    async def _refused(self, refused: JobRefusedError) -> Verdict:
        """A live lease under this very message means that it came back, perhaps for what follows the job."""
        self._log.info("not taken", reason=str(refused))
        if refused.lease.message_id != self._message.message_id:
            return _DROPPED
        standing = await self._table.read_standing(self._job.plan_id)
        if standing and self._job.number in standing.results:
            return _leave(standing)
        return Verdict(done=False, hide_seconds=max(0.0, refused.lease.expires_at - time.time()) + 1)

    def _superseded(self, record: VideoRecord) -> Verdict | None:
        plan = record.plan
        if plan is None or record.status not in {Status.PROCESSING, Status.QUEUED}:
            return _DROPPED
        if plan.plan_id != self._job.plan_id:
            return _DROPPED
        if plan.way is Way.ONE_PASS:
            # Whoever gave the chunks up may have died before the video was taken, and this be its message.
            return Verdict(done=True, outcome="dropped", goes_on=self._message.receive_count > 1)
        return None if record.status is Status.PROCESSING else _DROPPED

    async def _conclude(
        self, task: asyncio.Task[ChunkResult], taken: _Taken, encoder: ChunkEncoder, work: Work
    ) -> Verdict:
        try:
            result = task.result()
        except InstallationError as broken:
            return await self._hand_back(taken, broken)
        except GiveUpError as error:
            return await self._give_up_chunks(str(error))
        except RetryError as error:
            mismatch = isinstance(error, MismatchError)
            return await self._retry(taken, str(error), counted=error.counted, why="mismatch" if mismatch else "")
        except AWS_ERRORS as error:
            return await self._retry(taken, repr(error), counted=is_local(error))
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take the other jobs down
            self._log.exception("unexpected error")
            return await self._retry(taken, repr(error), counted=True, why="unexpected")
        standing = await self._table.complete(taken.standing.plan, self._job.number, result)
        if standing is None:
            return _DROPPED
        if result.frames:
            work.rate_transcoding(float(result.frames / taken.standing.plan.plan.probe.rate), result.seconds)
        self._log.info("chunk encoded", seconds=result.seconds, left=len(standing.missing))
        try:
            progress = progress_of(Stage.TRANSCODE, standing.fraction)
            await self._records.advance(self._job.video_id, self._job.plan_id, progress)
        except ConditionFalseError as refused:
            if not self._is_wanted(refused.record):
                # Whoever takes the chunks up again must not count on what is deleted now.
                await self._table.reopen(self._job.plan_id, undone=[self._job.number], free=[])
                await encoder.withdraw(work)
                return _DROPPED
        return Verdict(done=True, outcome="encoded", goes_on=not standing.missing)

    def _is_wanted(self, record: VideoRecord | None) -> bool:
        """Whether what was published is still part of the video. A later chunk may have told of its progress first."""
        if record is None or record.plan is None or record.status is Status.DELETED:
            return False
        return record.plan.plan_id == self._job.plan_id and record.plan.way is Way.CHUNKS

    async def _retry(self, taken: _Taken, reason: str, *, counted: bool, why: str = "") -> Verdict:
        failures = taken.failures + counted
        if counted and failures >= (_MISMATCHES if why == "mismatch" else self._settings.max_failures):
            return await self._give_up_chunks(reason)
        self._metrics.errors.inc()
        self._metrics.retries.labels(reason=why or ("counted" if counted else "not_counted")).inc()
        delay = delay_after(failures if counted else self._message.receive_count, self._settings.retry_delay)
        self._log.warning("chunk will be tried again", reason=reason[:1000], failures=failures, delay=delay)
        released = replace(taken.lease, expires_at=0.0)
        await self._table.extend(self._job.plan_id, self._job.number, released, failures=failures)
        return Verdict(done=False, outcome="retried", hide_seconds=delay)

    async def _give_up_chunks(self, reason: str) -> Verdict:
        """The video goes on in one pass, and its record says why."""
        self._metrics.errors.inc()
        self._metrics.plans.labels(way=FALLEN_BACK).inc()
        reason = f"chunk {self._job.number}: {reason}"[:_REASON_CHARACTERS]
        self._log.warning("falls back to one pass", reason=reason)
        plan = EncodePlan(way=Way.ONE_PASS, reason=reason, plan_id=self._job.plan_id)
        try:
            await self._records.give_up_chunks(self._job.video_id, plan)
        except ConditionFalseError:
            return _DROPPED
        return Verdict(done=True, outcome="given_up", goes_on=True)

    async def _hand_back(self, taken: _Taken, broken: InstallationError | None = None) -> Verdict:
        """The worker is leaving: the next one may begin at once."""
        self._log.info("handing back")
        try:
            async with asyncio.timeout(_RETURN_SECONDS):
                await self._table.extend(self._job.plan_id, self._job.number, replace(taken.lease, expires_at=0.0))
        except AWS_ERRORS as error:
            # The lease lapses by itself, and the message comes back with it.
            self._log.warning("could not release the lease", error=repr(error)[:300])
            return Verdict(done=False, outcome="returned", broken=broken)
        return Verdict(done=False, outcome="returned", hide_seconds=0.0, broken=broken)


def _leave(standing: Standing) -> Verdict:
    """The job is done; whoever sees that it was the last one goes on with the video."""
    return Verdict(done=True, outcome="dropped", goes_on=not standing.missing)
