"""Uploads that go straight to the bucket, part by part, by URLs that are good for one part of one size.

The multipart upload comes first, which a sweep clears away where no record tells of it; then the record, which lapses.
The original appears only whole, and its appearing is the job: as with a streamed upload, no crash leaves what lasts.
"""

import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import structlog
from botocore.exceptions import ClientError
from msgspec import structs

from vodstack_app.aws import AWS_ERRORS, Clients, error_code, storage_errors
from vodstack_app.cancellation import uninterrupted
from vodstack_app.errors import (
    AppError,
    CompletingError,
    ConflictError,
    IncompleteUploadError,
    NotFoundError,
    UnavailableError,
)
from vodstack_app.idempotency.claims import Claim
from vodstack_app.idempotency.fingerprint import fingerprint_of
from vodstack_app.identity import Identity
from vodstack_app.object_urls import ObjectUrls
from vodstack_app.part_lists import Arrived
from vodstack_app.tracing import current_traceparent
from vodstack_app.uploads.plan import Plan, make_plan
from vodstack_app.videos.fields import VideoFields
from vodstack_app.videos.intake import Stores
from vodstack_app.videos.media_types import stored_as
from vodstack_app.videos.objects import GONE
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import DirectUpload, Status, VideoRecord, new_video_id, timestamp

log: structlog.stdlib.BoundLogger = structlog.get_logger()

# A little less than the bucket's rule lets an unfinished upload live, unless `abortMultipartDays` says otherwise.
UPLOAD_LIFE_SECONDS = 46 * 3600
OPERATION = "startUpload"
PART_URL_SECONDS = 3600
# S3 speaks of minutes; a wrong guess makes a client send its whole film again.
COMPLETION_SECONDS = 3600


@dataclass(frozen=True)
class Source:
    """What the client says of the file that it will send."""

    file_name: str
    content_type: str
    size_bytes: int


@dataclass(frozen=True)
class Progress:
    """How far an upload is. Without a plan it is over: the original is there."""

    record: VideoRecord
    plan: Plan | None
    arrived: dict[int, Arrived]
    is_repeated: bool = False

    @cached_property
    def missing(self) -> list[int]:
        """Numbers of the parts that are still to come."""
        sizes = {number: part.size_bytes for number, part in self.arrived.items()}
        return self.plan.missing(sizes) if self.plan else []


class DirectUploads:
    """Starts, follows and ends them."""

    def __init__(self, clients: Clients, bucket: str, urls: ObjectUrls, stores: Stores) -> None:
        self._s3 = clients.s3
        self._part_lists = clients.part_lists
        self._bucket = bucket
        self._urls = urls
        self._objects = stores.objects
        self._records = stores.records
        self._claims = stores.claims
        self._storage = stores.storage
        self._encoding = stores.encoding

    async def start(self, source: Source, fields: VideoFields, identity: Identity, key: str | None = None) -> Progress:
        """A new upload, one for all requests with one key. Raises KeyInUseError, KeyReusedError, or as `look` does."""
        video_id = new_video_id()
        if key is None:
            return await self._start(video_id, source, fields, identity.owner)
        fingerprint = fingerprint_of(source, fields)
        claim = await self._claims.claim(
            identity.owner, key, operation=OPERATION, video_id=video_id, fingerprint=fingerprint
        )
        try:
            progress = await self._repeat(claim, identity)
            progress = progress or await self._start(video_id, source, fields, identity.owner)
        except BaseException:
            await uninterrupted(claim.let_go(may_have_arrived=True))
            raise
        if not progress.is_repeated:
            await claim.answer(progress.record.video_id)
        return progress

    async def _repeat(self, claim: Claim, identity: Identity) -> Progress | None:
        """What the earlier request with this key has started, if it came so far."""
        if claim.found is None:
            return None
        try:
            progress = await self.look(claim.found.video_id, identity)
        except NotFoundError:
            if claim.found.is_answered:
                raise
            await claim.restart()
            return None
        if not claim.found.is_answered:
            await claim.answer(claim.found.video_id)
        return replace(progress, is_repeated=True)

    async def _start(self, video_id: str, source: Source, fields: VideoFields, owner: str) -> Progress:
        await self._encoding.require_left(owner)
        await self._storage.require_room(owner, source.size_bytes)
        now = timestamp()
        plan = make_plan(source.size_bytes)
        with storage_errors():
            created = await self._s3.create_multipart_upload(
                Bucket=self._bucket, Key=original_key(video_id), **stored_as(source.content_type)
            )
        record = VideoRecord(
            video_id=video_id,
            status=Status.UPLOADING,
            upload_date=now,
            updated_at=now,
            owner=owner,
            title=fields.title,
            description=fields.description,
            tags=fields.tags,
            metadata=fields.metadata,
            file_name=source.file_name,
            content_type=source.content_type,
            size_bytes=source.size_bytes,
            traceparent=current_traceparent(),
            expires_at=int(time.time()) + UPLOAD_LIFE_SECONDS,
            direct=DirectUpload(upload_id=created["UploadId"], part_bytes=plan.part_bytes),
        )
        try:
            await self._storage.charge(owner, source.size_bytes)
            await self._records.create(record)
        except AppError:
            # What was counted for it is found to be nothing by the next recount.
            await self._let_go(record)
            raise
        return Progress(record, plan, {})

    async def look(self, video_id: str, identity: Identity) -> Progress:
        """Raises NotFoundError, ConflictError, CompletingError or UnavailableError."""
        record = await self._records.find(video_id, identity)
        if record.status is not Status.UPLOADING:
            return Progress(record, None, {})
        direct = _direct(record)
        try:
            with storage_errors():
                arrived = await self._part_lists.read(original_key(video_id), direct.upload_id)
        except UnavailableError as error:
            if not _is_gone(error):
                raise
            completed = await self._completed(video_id, identity)
            if completed is None:
                raise ConflictError("The upload was aborted. Start another one.") from error
            return Progress(completed, None, {})
        return Progress(record, Plan(record.size_bytes or 0, direct.part_bytes), arrived)

    async def sign(self, progress: Progress, limit: int) -> list[tuple[int, int, str]]:
        """Number, size and URL of the next parts to send; by the URL this part, and no other size, can be put."""
        plan = progress.plan
        if plan is None:
            return []
        record = progress.record
        sizes = {number: plan.size_of(number) for number in progress.missing[:limit]}
        urls = await self._urls.sign_parts(
            original_key(record.video_id), _direct(record).upload_id, sizes, PART_URL_SECONDS
        )
        return [(number, size_bytes, url) for (number, size_bytes), url in zip(sizes.items(), urls, strict=True)]

    async def complete(self, video_id: str, identity: Identity) -> VideoRecord:
        """Make the original appear, and tell how its record was; a repetition does no harm.

        Raises IncompleteUploadError, or as `look` does.
        """
        progress = await self.look(video_id, identity)
        if progress.missing:
            first = progress.missing[0]
            raise IncompleteUploadError(f"{len(progress.missing)} parts have not arrived, the first is part {first}.")
        if progress.plan:
            await self._note_completion(progress.record)
            await self._assemble(progress)
        if progress.record.status is Status.UPLOADING:
            await self._enqueue(video_id)
        return progress.record

    async def abort(self, video_id: str, identity: Identity) -> None:
        """Let go of every part. Raises NotFoundError, ConflictError, CompletingError or UnavailableError."""
        record = await self._records.find(video_id, identity)
        if record.status is not Status.UPLOADING:
            raise ConflictError("The upload is complete. Delete the video instead.")
        _direct(record)
        try:
            with storage_errors():
                await self._s3.abort_multipart_upload(**self._multipart(record))
        except UnavailableError as error:
            if not _is_gone(error):
                raise
            if await self._completed(video_id, identity):
                raise ConflictError("The upload is complete. Delete the video instead.") from error
        now = time.time()
        if await self._records.discard(video_id):
            await self._storage.credit(record.owner, record.size_bytes, since=now)

    async def _completed(self, video_id: str, identity: Identity) -> VideoRecord | None:
        """The record of an upload that is gone because it is complete; None where it was aborted.

        Raises CompletingError, NotFoundError or UnavailableError.
        """
        # Read anew: whoever completed it has noted that before it was gone.
        record = await self._records.find(video_id, identity)
        if record.status is not Status.UPLOADING or await self._objects.has_original(video_id):
            return record
        since = _direct(record).completing_since
        if since is not None and time.time() < since + COMPLETION_SECONDS:
            raise CompletingError
        return None

    async def _note_completion(self, record: VideoRecord) -> None:
        """From here on the record may not lapse, and nobody may have deleted the video."""
        now = int(time.time())
        direct = structs.replace(_direct(record), completing_since=now)
        await self._records.describe(record.video_id, {"expires_at": now + UPLOAD_LIFE_SECONDS, "direct": direct})

    async def _let_go(self, record: VideoRecord) -> None:
        try:
            await self._s3.abort_multipart_upload(**self._multipart(record))
        except AWS_ERRORS as error:
            log.warning("multipart upload left to the bucket's rule", video_id=record.video_id, cause=repr(error))

    async def _assemble(self, progress: Progress) -> None:
        record = progress.record
        etags = {number: part.etag for number, part in progress.arrived.items()}
        try:
            with storage_errors():
                await self._part_lists.complete(original_key(record.video_id), _direct(record).upload_id, etags)
        except UnavailableError as error:
            if await self._objects.has_original(progress.record.video_id):
                return
            if _is_gone(error):
                raise CompletingError from error
            raise

    async def _enqueue(self, video_id: str) -> None:
        try:
            await self._records.enqueue(video_id)
        except AppError as error:
            # The original is there and its arrival is the job: the worker takes the record as it stands.
            log.warning("video not marked as queued", video_id=video_id, cause=repr(error.__cause__))

    def _multipart(self, record: VideoRecord) -> Any:
        key = original_key(record.video_id)
        return {"Bucket": self._bucket, "Key": key, "UploadId": _direct(record).upload_id}


def _direct(record: VideoRecord) -> DirectUpload:
    if record.direct is None:
        raise NotFoundError("This video is being uploaded in one request; it has no parts to look at.")
    return record.direct


def _is_gone(error: UnavailableError) -> bool:
    return isinstance(error.__cause__, ClientError) and error_code(error.__cause__) == GONE
