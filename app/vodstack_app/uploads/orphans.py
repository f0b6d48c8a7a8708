"""Multipart uploads that nobody will complete: of processes that died, and of videos that are gone.

docs/adr/0017-orphans-are-found-by-what-the-bucket-holds.md
"""

from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import ClientError

from vodstack_app.aws import error_code, storage_errors
from vodstack_app.errors import NotFoundError
from vodstack_app.identity import EVERYBODY
from vodstack_app.videos.objects import GONE
from vodstack_app.videos.records import Records
from vodstack_contracts.errors import UnknownKeyError
from vodstack_contracts.objects import ORIGINALS_PREFIX, original_key, video_of_original
from vodstack_contracts.videos import Status

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import MultipartUploadTypeDef

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Orphans:
    """Finds them, and lets go of their parts."""

    def __init__(self, s3: "S3Client", bucket: str, records: Records) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._records = records
        self._suspects: set[str] = set()

    async def clear(self) -> None:
        """Abort what no living record tells of, now and when this was called last: a record may still be on its way.

        Raises UnavailableError; then some may be left.
        """
        orphans = [each for each in await self._uploads(ORIGINALS_PREFIX) if await self._is_orphan(each)]
        for upload in orphans:
            if upload.get("UploadId") in self._suspects:
                await self._abort(upload)
                log.warning("an upload that nobody completes was cleared away", key=upload.get("Key"))
        self._suspects = {upload.get("UploadId", "") for upload in orphans}

    async def clear_video(self, video_id: str) -> None:
        """Abort whatever is on its way to this video. Raises UnavailableError."""
        for upload in await self._uploads(original_key(video_id)):
            await self._abort(upload)

    async def _uploads(self, prefix: str) -> "list[MultipartUploadTypeDef]":
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix)
        with storage_errors():
            return [upload async for page in pages for upload in page.get("Uploads", [])]

    async def _is_orphan(self, upload: "MultipartUploadTypeDef") -> bool:
        try:
            record = await self._records.find(video_of_original(upload.get("Key", "")), EVERYBODY)
        except (NotFoundError, UnknownKeyError):
            return True
        return record.status is not Status.UPLOADING

    async def _abort(self, upload: "MultipartUploadTypeDef") -> None:
        with storage_errors():
            try:
                await self._s3.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload.get("Key", ""), UploadId=upload.get("UploadId", "")
                )
            except ClientError as error:
                if error_code(error) != GONE:
                    raise
