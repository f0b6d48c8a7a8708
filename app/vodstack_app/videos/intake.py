"""Takes an upload in, so that a crash between any two lines loses nothing that was answered 201.

The record comes first and has a time-to-live; the original appears only whole; its appearing is the job.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog
from msgspec import structs

from vodstack_app.errors import AppError, SlowClientError, UnavailableError
from vodstack_app.metrics import Metrics
from vodstack_app.videos.form import UploadForm
from vodstack_app.videos.original import OriginalUpload
from vodstack_app.videos.records import Records
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp

log: structlog.stdlib.BoundLogger = structlog.get_logger()

UPLOAD_DEADLINE_SECONDS = 12 * 3600
# Longer than any upload may take, so that a record never lapses under a living one.
RECORD_LIFE_SECONDS = 24 * 3600

OpenOriginal = Callable[[str], OriginalUpload]


class Intake:
    """Receives uploads, a bounded number at a time."""

    def __init__(self, records: Records, open_original: OpenOriginal, metrics: Metrics, max_uploads: int) -> None:
        self._records = records
        self._open_original = open_original
        self._metrics = metrics
        self._max_uploads = max_uploads
        self._running: set[asyncio.Task[Any]] = set()

    async def receive(self, chunks: AsyncIterator[bytes], form: UploadForm, owner: str) -> str:
        """The id of the video that the body held. Raises AppError; then nothing of the upload stays."""
        task = asyncio.current_task()
        if task is None or len(self._running) >= self._max_uploads:
            raise UnavailableError(f"{self._max_uploads} uploads are running. Try again in a moment.")
        self._running.add(task)
        self._metrics.uploads_in_flight.inc()
        try:
            async with asyncio.timeout(UPLOAD_DEADLINE_SECONDS):
                return await self._receive(chunks, form, owner)
        except TimeoutError as error:
            raise SlowClientError(f"An upload may take {UPLOAD_DEADLINE_SECONDS // 3600} hours.") from error
        finally:
            self._metrics.uploads_in_flight.dec()
            self._running.discard(task)

    async def settle(self, patience_seconds: float) -> None:
        """Wait until cancelled uploads have undone what they did; the clients close after this."""
        if self._running:
            await asyncio.wait(self._running, timeout=patience_seconds)

    async def _receive(self, chunks: AsyncIterator[bytes], form: UploadForm, owner: str) -> str:
        upload = _Upload(self._records, self._open_original, owner)
        try:
            async for chunk in chunks:
                for data in form.feed(chunk):
                    await upload.write(data, form)
                    self._metrics.upload_bytes.inc(len(data))
            await upload.finish(form)
        except BaseException:
            await _uninterrupted(upload.undo())
            raise
        return upload.video_id


class _Upload:
    """One video's way in: nothing is written before its file's first byte is there."""

    def __init__(self, records: Records, open_original: OpenOriginal, owner: str) -> None:
        self.video_id = new_video_id()
        self._records = records
        self._open_original = open_original
        self._owner = owner
        self._original: OriginalUpload | None = None

    async def write(self, data: bytes, form: UploadForm) -> None:
        if self._original is None:
            self._original = self._open_original(self.video_id)
            await self._records.create(self._first_record(form))
            await self._original.begin(form.content_type)
        await self._original.write(data)

    async def finish(self, form: UploadForm) -> None:
        """Make the upload a video. Raises UploadError, ConflictError or UnavailableError."""
        fields = form.finish()
        if self._original is None:
            raise RuntimeError("a form that has no file's bytes does not finish")
        await self._original.flush()
        await self._records.describe(self.video_id, structs.asdict(fields) | {"size_bytes": form.file_bytes})
        await self._original.complete()
        try:
            await self._records.enqueue(self.video_id)
        except UnavailableError as error:
            # The original is there and its arrival is the job: the worker takes the record as it stands.
            log.warning("video not marked as queued", video_id=self.video_id, cause=repr(error.__cause__))

    async def undo(self) -> None:
        if self._original is None or self._original.may_have_arrived:
            return
        await self._original.abort()
        try:
            await self._records.discard(self.video_id)
        except AppError as error:
            log.warning("record left to its time-to-live", video_id=self.video_id, cause=repr(error.__cause__))

    def _first_record(self, form: UploadForm) -> VideoRecord:
        now = timestamp()
        return VideoRecord(
            video_id=self.video_id,
            status=Status.UPLOADING,
            upload_date=now,
            updated_at=now,
            owner=self._owner,
            file_name=form.file_name,
            content_type=form.content_type,
            expires_at=int(time.time()) + RECORD_LIFE_SECONDS,
        )


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Carry `work` to its end, whoever cancels: it is what keeps a cancelled upload from leaving parts behind."""
    task = asyncio.create_task(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
