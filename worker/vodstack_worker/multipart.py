"""Multipart uploads: few parts in memory at a time, and nothing left of what is not completed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from vodstack_worker.lease import AWS_ERRORS

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.literals import ChecksumAlgorithmType
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 16 * 1024 * 1024
_MAX_PARTS = 10_000
_IN_FLIGHT = 2
# Named at every step, for S3 refuses a part, or the completion, where another step named none.
_CHECKSUM: "ChecksumAlgorithmType" = "CRC32"


def part_bytes(size: int) -> int:
    """How long parts are of an object that has at most `size` bytes."""
    return max(PART_BYTES, -(-size // _MAX_PARTS))


class Multipart:
    """One upload. Parts may be sent in any order."""

    def __init__(self, s3: "S3Client", bucket: str, key: str, upload_id: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._parts: dict[int, CompletedPartTypeDef] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def send(self, number: int, body: bytes) -> None:
        """Begin to send a part, as soon as not too many are on their way. Raises what became of an earlier one."""
        await self._settle(_IN_FLIGHT - 1)
        self._running.add(asyncio.create_task(self._put(number, body)))

    async def complete(self) -> None:
        await self._settle(0)
        parts = [part for _, part in sorted(self._parts.items())]
        await self._s3.complete_multipart_upload(
            Bucket=self._bucket, Key=self._key, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
        )

    async def abort(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        with suppress(*AWS_ERRORS):
            await self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)

    async def _put(self, number: int, body: bytes) -> None:
        part = await self._s3.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=body,
            ChecksumAlgorithm=_CHECKSUM,
        )
        self._parts[number] = {"PartNumber": number, "ETag": part["ETag"]}
        if "ChecksumCRC32" in part:
            self._parts[number]["ChecksumCRC32"] = part["ChecksumCRC32"]

    async def _settle(self, left: int) -> None:
        """Wait until no more than `left` parts are on their way."""
        while len(self._running) > left:
            done, self._running = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()


@asynccontextmanager
async def open_multipart(
    s3: "S3Client", bucket: str, key: str, content_type: str, cache_control: str
) -> AsyncGenerator[Multipart]:
    """An upload that is completed at the end of the block, and aborted where that is not reached."""
    made = await s3.create_multipart_upload(
        Bucket=bucket, Key=key, ContentType=content_type, CacheControl=cache_control, ChecksumAlgorithm=_CHECKSUM
    )
    upload = Multipart(s3, bucket, key, made["UploadId"])
    try:
        yield upload
        await upload.complete()
    except BaseException:
        await asyncio.shield(upload.abort())
        raise


async def abort_open(s3: "S3Client", bucket: str, prefix: str) -> None:
    """Abort what lies open below a prefix that is this worker's: who began it is dead, or has lost its lease."""
    async for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            # Aborted meanwhile by whoever began it, it is gone just as well.
            with suppress(s3.exceptions.NoSuchUpload):
                await s3.abort_multipart_upload(
                    Bucket=bucket, Key=upload.get("Key", ""), UploadId=upload.get("UploadId", "")
                )
