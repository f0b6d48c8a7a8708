"""One video from its original to its published renditions. Knows nothing of queues and leases."""

import asyncio
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from vodstack_contracts.jobs import Arrival, ChunkJob
from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import EncodePlan, FailureCode, SourceFacts, Stage, VideoRecord, VideoWarning, Way
from vodstack_worker.admission import Admission
from vodstack_worker.arguments import MP4, OUTPUT, PLAYLIST
from vodstack_worker.assembly import Assembly
from vodstack_worker.captions import make_captions
from vodstack_worker.chunk_table import ChunkTable, Standing
from vodstack_worker.completeness import merged, require_complete
from vodstack_worker.errors import CrashError, FallBackError, GiveUpError, IncompleteError, MismatchError
from vodstack_worker.media_check import blaming_tools
from vodstack_worker.media_process import Limits
from vodstack_worker.memory import fitting_threads
from vodstack_worker.multipart import abort_open
from vodstack_worker.originals import ROOM_FACTOR, RemoteBytes, fetch_original, find_original
from vodstack_worker.plans import Chunk, ChunkPlan, Plan, Share, plan_chunks, plan_encode, without_keys
from vodstack_worker.playlists import read_playlist
from vodstack_worker.probe import probe
from vodstack_worker.probed import SOURCE, Probe
from vodstack_worker.publish import Published, find_published, measure_output, publish, remove_others, withdraw
from vodstack_worker.relay import Relay, StoredObject
from vodstack_worker.reopening import lost_jobs
from vodstack_worker.scratch import Scratch
from vodstack_worker.settings import Settings
from vodstack_worker.thumbnails import make_thumbnails
from vodstack_worker.tool_files import JobFiles
from vodstack_worker.transcode import WHOLE, encode, make_mp4, make_poster
from vodstack_worker.work import Work, progress_of

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_PLAN_ID_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a processed video adds to its record."""

    source: SourceFacts
    published: Published
    plan: EncodePlan
    earlier_seconds: dict[str, float]
    warnings: list[VideoWarning]

    def changes(self, work: Work) -> dict[str, Any]:
        return {
            "source": self.source,
            "warnings": self.warnings,
            "plan": self.plan,
            "renditions": self.published.renditions,
            "playback": self.published.playback,
            "progress": 1.0,
            "stage_seconds": self.earlier_seconds | work.stage_seconds,
        }


@dataclass(frozen=True, kw_only=True)
class ToChunks:
    """The video goes on as jobs of a plan, and is nobody's until they are done."""

    plan: EncodePlan
    jobs: list[ChunkJob]
    progress: float


class Pipeline:
    """Raises FallBackError, GiveUpError, InstallationError, NotYetError or RetryError. Without a table, no chunks."""

    def __init__(
        self, s3: "S3Client", settings: Settings, scratch: Scratch, limits: Limits, table: ChunkTable | None
    ) -> None:
        self._s3 = s3
        self._settings = settings
        self._scratch = scratch
        self._limits = limits
        self._table = table

    async def process(
        self, arrival: Arrival, record: VideoRecord, work: Work, admission: Admission
    ) -> Outcome | ToChunks:
        async with blaming_tools(self._scratch, self._limits):
            return await self._process(arrival, record, work, admission)

    async def _process(
        self, arrival: Arrival, record: VideoRecord, work: Work, admission: Admission
    ) -> Outcome | ToChunks:
        was = record.plan
        if self._table and was and was.way is Way.CHUNKS:
            standing = await self._standing(self._table, was)
            if standing:
                way = EncodePlan(way=Way.CHUNKS, plan_id=was.plan_id, chunks=len(standing.plan.chunks))
                missing = standing.missing
                return _to_chunks(standing, way) if missing else await self._assemble(standing, record, way, work)
        await admission.require_day()
        original = await find_original(self._s3, self._settings.bucket, arrival.key)
        fallen = was if was and was.plan_id and was.way is Way.ONE_PASS else None
        with self._scratch.job() as folder:
            plan = await self._plan(original, folder, work, remote=fallen is None and self._is_large(original))
            chunks = fallen.reason if fallen else self._cut(plan)
            await admission.admit(plan, in_chunks=isinstance(chunks, list))
            if self._table and isinstance(chunks, list):
                return await self._plan_chunks(self._table, original, arrival.video_id, plan, chunks)
            if not (folder / SOURCE).exists():
                await self._fetch(original, folder, work)
                if plan.probe.readable_bytes:
                    os.truncate(folder / SOURCE, plan.probe.readable_bytes)
            reason = "" if isinstance(chunks, list) else chunks
            way = EncodePlan(way=Way.ONE_PASS, reason=reason, plan_id=was.plan_id if was else "")
            return await self._transcode(folder, plan, arrival.video_id, way, work)

    async def _standing(self, table: ChunkTable, was: EncodePlan) -> Standing | None:
        """What of a plan is done. One with a reason was given up, and is wanted again: its failures are forgotten."""
        standing = await table.read_standing(was.plan_id)
        if standing is None or not was.reason:
            return standing
        published = await find_published(self._s3, self._settings.bucket, standing.plan.video_id)
        lost = lost_jobs(standing, set(published))
        await table.reopen(was.plan_id, undone=lost, free=sorted({*lost, *standing.missing}))
        return await table.read_standing(was.plan_id)

    def _is_large(self, original: StoredObject) -> bool:
        """Whether the original is to be planned where it lies."""
        fits = original.size * ROOM_FACTOR <= self._scratch.job_bytes
        return self._table is not None and (original.size > self._settings.local_bytes or not fits)

    async def _plan(self, original: StoredObject, folder: Path, work: Work, *, remote: bool) -> Plan:
        if not remote:
            await self._fetch(original, folder, work)
        with work.in_stage(Stage.PROBE):
            found = await (self._probe_remote(original, folder, work) if remote else self._probe(folder))
        threads = fitting_threads(found.picture_bytes, self._limits.memory_bytes, self._settings.threads)
        plan = plan_encode(found, threads)
        log = structlog.get_logger().bind(key=original.key)
        log.info(
            "planned",
            source=found.facts.container,
            rungs=[rung.name for rung in plan.rungs],
            threads=threads,
            audio=len(found.audios),
            captions=len(found.captions),
            captions_left_out=found.captions_left_out,
            warnings=[warning.code for warning in found.warnings],
        )
        return plan

    async def _fetch(self, original: StoredObject, folder: Path, work: Work) -> None:
        with work.in_stage(Stage.DOWNLOAD):
            await fetch_original(
                original, folder / SOURCE, room_bytes=self._scratch.job_bytes, on_progress=work.advance
            )
        work.count_bytes("in", original.size)

    async def _probe(self, folder: Path) -> Probe:
        return await probe(
            folder, self._limits, max_duration=self._settings.max_duration, max_frames=self._settings.max_frames
        )

    async def _probe_remote(self, original: StoredObject, folder: Path, work: Work) -> Probe:
        relay = Relay({SOURCE: original})
        try:
            return await probe(
                folder,
                self._limits,
                max_duration=self._settings.max_duration,
                max_frames=self._settings.max_frames,
                relay=relay,
                remote=RemoteBytes(original),
            )
        finally:
            work.count_bytes("in", relay.sent_bytes)
            relay.require_whole()

    def _cut(self, plan: Plan) -> list[Chunk] | str:
        return plan_chunks(plan, self._settings.chunk_seconds) if self._table else "chunks are off"

    async def _plan_chunks(
        self, table: ChunkTable, original: StoredObject, video_id: str, plan: Plan, chunks: list[Chunk]
    ) -> ToChunks:
        made = ChunkPlan(
            plan_id=secrets.token_hex(_PLAN_ID_BYTES),
            video_id=video_id,
            size=plan.probe.readable_bytes or original.size,
            etag=original.etag,
            plan=without_keys(plan),
            chunks=chunks,
        )
        await table.put_plan(made)
        return _to_chunks(Standing(made, {}), EncodePlan(way=Way.CHUNKS, plan_id=made.plan_id, chunks=len(made.chunks)))

    async def _transcode(self, folder: Path, plan: Plan, video_id: str, way: EncodePlan, work: Work) -> Outcome:
        facts = plan.probe.facts
        with work.in_stage(Stage.TRANSCODE):
            warnings = await self._encode(folder, plan, work)
            await make_mp4(folder, plan, self._limits)
            await make_poster(folder, plan, self._limits, MP4)
            smallest = f"hls/{plan.rungs[-1].name}"
            duration = read_playlist(JobFiles(folder), smallest).duration
            await make_thumbnails(folder, plan, self._limits, f"{OUTPUT}/{smallest}/{PLAYLIST}", duration)
            captions = await make_captions(folder, plan, self._limits, SOURCE)
            published = await asyncio.to_thread(measure_output, folder, plan, video_id, captions)
        work.rate_transcoding(facts.duration_seconds)
        with work.in_stage(Stage.PUBLISH):
            await self._abort_earlier(video_id)
            await self._publish(folder, video_id, published, work)
        if way.plan_id:
            await remove_others(self._s3, self._settings.bucket, video_id, work.keys)
        warnings = merged(plan.probe.warnings, warnings)
        return Outcome(source=facts, published=published, plan=way, earlier_seconds={}, warnings=warnings)

    async def _encode(self, folder: Path, plan: Plan, work: Work) -> list[VideoWarning]:
        """Encode, and compare what was made with the original: by its own timestamps, then by those ffmpeg makes."""
        try:
            return await self._encode_once(folder, plan, work, WHOLE)
        except (IncompleteError, MismatchError, CrashError) as error:
            structlog.get_logger().warning("encoded again, by ffmpeg's own clock", reason=str(error))
        await asyncio.to_thread(self._scratch.clear, folder)
        try:
            return await self._encode_once(folder, plan, work, Share(own_clock=True))
        except IncompleteError as error:
            raise GiveUpError(
                FailureCode.INCOMPLETE,
                f"{abs(error.missing):.1f} of the video's {error.seconds:.1f} seconds "
                f"{'are missing from' if error.missing > 0 else 'are too many in'} what could be made of it. "
                "Export the video again and upload that.",
            ) from error

    async def _encode_once(self, folder: Path, plan: Plan, work: Work, share: Share) -> list[VideoWarning]:
        with work.in_encode():
            log = await encode(folder, plan, self._limits, work.advance, share=share)
        return await asyncio.to_thread(require_complete, folder, plan, log)

    async def _abort_earlier(self, video_id: str) -> None:
        """End uploads that a dead worker left open, whose parts would be kept, and paid for, until they are."""
        await abort_open(self._s3, self._settings.bucket, rendition_prefix(video_id))

    async def _publish(self, folder: Path, video_id: str, published: Published, work: Work) -> None:
        bucket, names = self._settings.bucket, published.names
        size = await publish(
            self._s3, bucket, JobFiles(folder), video_id, names, keys=work.keys, on_progress=work.advance
        )
        work.count_bytes("out", size)

    async def _assemble(self, standing: Standing, record: VideoRecord, way: EncodePlan, work: Work) -> Outcome:
        made = standing.plan
        with work.in_stage(Stage.PUBLISH), self._scratch.job() as folder:
            await self._abort_earlier(made.video_id)
            assembly = Assembly(self._s3, self._settings.bucket, standing, self._limits)
            try:
                published = await assembly.run(folder, work)
            except IncompleteError as error:
                raise FallBackError(str(error)) from error
            await self._publish(folder, made.video_id, published, work)
        await remove_others(self._s3, self._settings.bucket, made.video_id, work.keys, made.prefix)
        transcoding = round(sum(result.seconds for result in standing.results.values()), 3)
        return Outcome(
            source=made.plan.probe.facts,
            published=published,
            plan=way,
            earlier_seconds=record.stage_seconds | {Stage.TRANSCODE.value: transcoding},
            warnings=merged(made.plan.probe.warnings, assembly.warnings),
        )

    async def withdraw(self, work: Work) -> None:
        """Take back what was published, for a video that was deleted meanwhile."""
        await withdraw(self._s3, self._settings.bucket, work.keys)


def _to_chunks(standing: Standing, plan: EncodePlan) -> ToChunks:
    """The sound goes first: of a long film it is the longest job, and would go on when everything else is done."""
    made = standing.plan
    missing = sorted(standing.missing, key=lambda number: number != made.sound_number)
    return ToChunks(
        plan=plan,
        jobs=[ChunkJob(video_id=made.video_id, plan_id=made.plan_id, number=number) for number in missing],
        progress=progress_of(Stage.TRANSCODE, standing.fraction),
    )
