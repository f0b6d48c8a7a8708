"""Takes an upload in, so that a crash between any two lines loses nothing that was answered 201.

The record comes first and has a time-to-live; the original appears only whole; its appearing is the job. A large one
goes in parts (docs/adr/0010-an-uploads-order-of-writes.md), a small one in one call
(docs/adr/0063-a-small-upload-is-one-call.md).
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from msgspec import Struct, structs

from vodstack_app.cancellation import uninterrupted
from vodstack_app.errors import AppError, ConflictError, SlowClientError, UnavailableError
from vodstack_app.fair_use.encoding import Encoding
from vodstack_app.fair_use.places import Places
from vodstack_app.fair_use.storage import Storage
from vodstack_app.idempotency.claims import Claim, Claimed, Claims
from vodstack_app.idempotency.fingerprint import fingerprint_of
from vodstack_app.metrics import Metrics
from vodstack_app.tracing import current_traceparent
from vodstack_app.videos.deletion import Deletions
from vodstack_app.videos.fields import VideoFields
from vodstack_app.videos.form import UploadForm
from vodstack_app.videos.objects import StoredObjects
from vodstack_app.videos.original import OriginalUpload
from vodstack_app.videos.records import Records
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp

log: structlog.stdlib.BoundLogger = structlog.get_logger()

UPLOAD_DEADLINE_SECONDS = 12 * 3600
# Longer than any upload may take, so that a record never lapses under a living one.
RECORD_LIFE_SECONDS = 24 * 3600

OPERATION = "uploadVideo"

OpenOriginal = Callable[[str], OriginalUpload]


class Received(Struct, frozen=True):
    """The video that a body held; `is_repeated` where an earlier request had brought it already."""

    video_id: str
    is_repeated: bool = False


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Whose the video will be, whose place the upload takes, and the request's Idempotency-Key."""

    owner: str
    client: str
    key: str | None = None


@dataclass(frozen=True)
class Stores:
    """What an upload is written to, and counted in."""

    records: Records
    objects: StoredObjects
    claims: Claims
    storage: Storage
    encoding: Encoding
    deletions: Deletions
    open_original: OpenOriginal


class Intake:
    """Receives uploads, a bounded number at a time."""

    def __init__(self, stores: Stores, metrics: Metrics, places: Places) -> None:
        self._stores = stores
        self._metrics = metrics
        self._places = places
        self._running: set[asyncio.Task[Any]] = set()

    async def receive(self, chunks: AsyncIterator[bytes], form: UploadForm, sender: Sender) -> Received:
        """The video that the body held, one for all requests with one key. Raises AppError; then nothing stays."""
        task = asyncio.current_task()
        with self._places.taken(sender.client), self._metrics.uploads_in_flight.track_inprogress():
            if task:
                self._running.add(task)
            try:
                async with asyncio.timeout(UPLOAD_DEADLINE_SECONDS):
                    return await self._receive(chunks, form, sender.owner, sender.key)
            except TimeoutError as error:
                raise SlowClientError(f"An upload may take {UPLOAD_DEADLINE_SECONDS // 3600} hours.") from error
            finally:
                if task:
                    self._running.discard(task)

    async def settle(self, patience_seconds: float) -> None:
        """Wait until cancelled uploads have undone what they did; the clients close after this."""
        if self._running:
            await asyncio.wait(self._running, timeout=patience_seconds)

    async def _receive(self, chunks: AsyncIterator[bytes], form: UploadForm, owner: str, key: str | None) -> Received:
        video_id, started = new_video_id(), time.monotonic()
        claim: Claim | None = None
        if key is not None:
            form.digest = hashlib.sha256()
            claim = await self._stores.claims.claim(owner, key, operation=OPERATION, video_id=video_id)
            if claim.found and await self._has_arrived(claim, claim.found, owner):
                return await _repeat(chunks, form, claim, claim.found)
        upload = _Upload(self._stores, video_id, owner, claim)
        try:
            # A repetition of what was taken in before is answered all the same.
            await self._stores.encoding.require_left(owner)
            async for chunk in chunks:
                for data in form.feed(chunk):
                    await upload.write(data, form)
                    self._metrics.upload_bytes.inc(len(data))
            await upload.finish(form)
            self._metrics.note_upload("streamed", form.file_bytes, time.monotonic() - started)
        except BaseException:
            await uninterrupted(upload.undo())
            raise
        return Received(video_id)

    async def _has_arrived(self, claim: Claim, found: Claimed, owner: str) -> bool:
        """Whether the earlier request has brought its video; if not, it never will, and this one takes its place."""
        if found.is_answered:
            return True
        try:
            if found.upload_id is not None and await self._settle(found.video_id, found.upload_id, owner):
                await claim.answer(found.video_id)
                return True
            await claim.restart()
        except BaseException:
            await uninterrupted(claim.let_go(may_have_arrived=True))
            raise
        return False

    async def _settle(self, video_id: str, upload_id: str, owner: str) -> bool:
        """Whether a sealed request has brought its original; if not, no video comes of it from here on."""
        if upload_id:
            return await self._stores.objects.settle(video_id, upload_id)
        if not await self._stores.objects.has_original(video_id):
            return not await self._stores.deletions.withdraw(video_id, owner)
        try:
            await self._stores.records.enqueue(video_id)
        except ConflictError:
            return False
        return True


class _Upload:
    """One video's way in: nothing is written before its file fills a part, or is there as a whole."""

    def __init__(self, stores: Stores, video_id: str, owner: str, claim: Claim | None) -> None:
        self.video_id = video_id
        self._stores = stores
        self._records = stores.records
        self._original = stores.open_original(video_id)
        self._owner = owner
        self._claim = claim
        self._is_recorded = False
        self._has_arrived = False
        self._charged_bytes = 0

    async def write(self, data: bytes, form: UploadForm) -> None:
        if self._claim:
            await self._claim.keep()
        if not self._is_recorded and self._original.is_filled_by(data):
            self._is_recorded = True
            await self._records.create(self._first_record(form))
            await self._original.begin(form.content_type)
        await self._original.write(data)

    async def finish(self, form: UploadForm) -> None:
        """Make the upload a video. Raises UploadError, ConflictError or UnavailableError."""
        fields = form.finish()
        await self._original.flush()
        await self._stores.storage.charge(self._owner, form.file_bytes)
        self._charged_bytes = form.file_bytes
        await self._describe(form, structs.asdict(fields) | {"size_bytes": form.file_bytes})
        if self._claim:
            await self._claim.seal(_fingerprint(form, fields), self._original.upload_id)
        await self._original.complete(form.content_type)
        self._has_arrived = True
        await self._enqueue()
        if self._claim:
            await self._claim.answer(self.video_id)

    async def _describe(self, form: UploadForm, said: dict[str, Any]) -> None:
        if self._is_recorded:
            await self._records.describe(self.video_id, said)
        else:
            self._is_recorded = True
            await self._records.create(structs.replace(self._first_record(form), **said))

    async def _enqueue(self) -> None:
        try:
            await self._records.enqueue(self.video_id)
        except UnavailableError as error:
            # The original is there and its arrival is the job: the worker takes the record as it stands.
            log.warning("video not marked as queued", video_id=self.video_id, cause=repr(error.__cause__))
        except ConflictError:
            # The deletion may have looked for objects before this one came.
            await self._stores.objects.remove(self.video_id)
            raise

    async def undo(self) -> None:
        may_have_arrived = self._is_recorded and await self._stays()
        if self._claim:
            await self._claim.let_go(may_have_arrived=may_have_arrived)

    async def _stays(self) -> bool:
        """Take the video back, or tell that it may have come to be and has to stay."""
        try:
            if not self._original.may_have_arrived:
                await self._discard()
            elif self._has_arrived or self._original.upload_id:
                return True
            else:
                return not await self._stores.deletions.withdraw(self.video_id, self._owner, self._charged_bytes)
        except AppError as error:
            log.warning("record left to its time-to-live", video_id=self.video_id, cause=repr(error.__cause__))
        return self._original.may_have_arrived

    async def _discard(self) -> None:
        await self._original.abort()
        now = time.time()
        await self._records.discard(self.video_id)
        await self._stores.storage.credit(self._owner, self._charged_bytes, since=now)

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
            traceparent=current_traceparent(),
            expires_at=int(time.time()) + RECORD_LIFE_SECONDS,
        )


async def _repeat(chunks: AsyncIterator[bytes], form: UploadForm, claim: Claim, found: Claimed) -> Received:
    """Read a body that has been taken in before, and whether it is the same. Raises KeyReusedError."""
    async for chunk in chunks:
        for _ in form.feed(chunk):
            pass
    claim.require_same(_fingerprint(form, form.finish()))
    return Received(found.video_id, is_repeated=True)


def _fingerprint(form: UploadForm, fields: VideoFields) -> str:
    digest = form.digest.hexdigest() if form.digest else ""
    return fingerprint_of(fields, form.file_name, form.content_type, file_digest=digest)
