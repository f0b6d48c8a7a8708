"""An original on its way to the bucket: one call if it is small, else S3 multipart, a few parts in memory at a time."""

import asyncio
from io import BytesIO

import structlog

from vodstack_app.aws import AWS_ERRORS, Clients, storage_errors
from vodstack_app.errors import UnavailableError
from vodstack_app.settings import MIB
from vodstack_app.videos.media_types import stored_as
from vodstack_contracts.objects import original_key

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PARTS_IN_FLIGHT = 2
MAX_PARTS = 10_000
SMALLEST_PART_BYTES = 5 * MIB
# The smallest size holds memory down; from the 1,001st part on they grow, which reaches 1 TiB.
PARTS_BEFORE_GROWTH = 850
PARTS_A_STEP = 150


def part_size_bytes(index: int) -> int:
    """How large the part with this index is, counted from 0."""
    return SMALLEST_PART_BYTES * (1 + max(0, index - PARTS_BEFORE_GROWTH) // PARTS_A_STEP)


class OriginalUpload:
    """One original; in parts from `begin` on. Call `complete` or `abort`, once, at the end."""

    def __init__(self, clients: Clients, bucket: str, video_id: str) -> None:
        self._s3 = clients.s3
        self._part_lists = clients.part_lists
        self._bucket = bucket
        self._key = original_key(video_id)
        self.upload_id = ""
        self._etags: dict[int, str] = {}
        self._in_flight: set[asyncio.Task[None]] = set()
        self._next_part = 0
        # aiohttp sends a file-like body by and by; of bytes it would keep a second copy.
        self._part = BytesIO()
        #: From the moment the completion is sent until it is known to have failed, the record must stay.
        self.may_have_arrived = False

    def is_filled_by(self, data: bytes) -> bool:
        """Whether these bytes need a part to be sent, for which `begin` must have been called."""
        return self._part.tell() + len(data) >= part_size_bytes(self._next_part)

    async def begin(self, content_type: str) -> None:
        with storage_errors():
            created = await self._s3.create_multipart_upload(
                Bucket=self._bucket, Key=self._key, **stored_as(content_type)
            )
        self.upload_id = created["UploadId"]

    async def write(self, data: bytes) -> None:
        """Take the file's next bytes; waits while enough parts are on their way."""
        rest = memoryview(data)
        while rest:
            room = part_size_bytes(self._next_part) - self._part.tell()
            self._part.write(rest[:room])
            rest = rest[room:]
            if self._part.tell() == part_size_bytes(self._next_part):
                await self._send()

    async def flush(self) -> None:
        """Send what is left of an original in parts, and wait until every one is stored."""
        if self.upload_id and self._part.tell():
            await self._send()
        await self._wait_for_parts(0)

    async def complete(self, content_type: str) -> None:
        """Make the flushed original appear. Raises UnavailableError; see `may_have_arrived`."""
        self.may_have_arrived = True
        try:
            await (self._assemble() if self.upload_id else self._put(content_type))
        except AWS_ERRORS as error:
            await self._settle(error)

    async def abort(self) -> None:
        """Let go of every part. What fails here is left to the bucket's lifecycle rule."""
        await self._cancel_parts()
        if not self.upload_id:
            return
        try:
            await self._abort()
        except AWS_ERRORS as error:
            log.warning("multipart upload not aborted", key=self._key, cause=repr(error))

    async def _assemble(self) -> None:
        await self._part_lists.complete(self._key, self.upload_id, self._etags)

    async def _put(self, content_type: str) -> None:
        self._part.seek(0)
        await self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=self._part, **stored_as(content_type))

    async def _abort(self) -> None:
        await self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self.upload_id)

    async def _settle(self, error: Exception) -> None:
        """Find out what became of a completion that seemed to fail; raises unless the original is there."""
        if await self._has_arrived() or (self.upload_id and await self._arrives_unless_aborted()):
            return
        raise UnavailableError("The storage did not complete the upload. Send it again.") from error

    async def _arrives_unless_aborted(self) -> bool:
        """Whether the original is there; one that can be aborted was never completed, and cannot be from here on."""
        try:
            await self._abort()
        except AWS_ERRORS:
            return await self._has_arrived()
        self.may_have_arrived = False
        self.upload_id = ""
        return False

    async def _has_arrived(self) -> bool:
        """Whether the original is seen to be there; what cannot be seen counts as absent."""
        try:
            await self._s3.head_object(Bucket=self._bucket, Key=self._key)
        except AWS_ERRORS:
            return False
        return True

    async def _send(self) -> None:
        """Put the part on its way, as soon as another may be under way."""
        await self._wait_for_parts(PARTS_IN_FLIGHT - 1)
        part, self._part = self._part, BytesIO()
        self._next_part += 1
        part.seek(0)
        self._in_flight.add(asyncio.create_task(self._send_part(self._next_part, part)))

    async def _send_part(self, number: int, part: BytesIO) -> None:
        with storage_errors():
            sent = await self._s3.upload_part(
                Bucket=self._bucket, Key=self._key, UploadId=self.upload_id, PartNumber=number, Body=part
            )
        self._etags[number] = sent["ETag"]

    async def _wait_for_parts(self, at_most: int) -> None:
        while len(self._in_flight) > at_most:
            done, self._in_flight = await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
            failures = [failure for task in done if (failure := task.exception())]
            if failures:
                raise failures[0]

    async def _cancel_parts(self) -> None:
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        self._in_flight.clear()
