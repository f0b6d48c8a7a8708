"""The original in the bucket: found, read in part, or brought to scratch."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from vodstack_contracts.videos import FailureCode
from vodstack_worker.errors import GiveUpError, RetryError
from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.relay import StoredObject

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_PIECE_BYTES = 1024 * 1024
_READABLE = 0o644
_STALLED_ATTEMPTS = 3
# Renditions and the MP4 together take about as much room again as the original in the worst usual case.
ROOM_FACTOR = 3


class RemoteBytes:
    """An original's bytes for code that runs in a thread and reads a little here and there."""

    def __init__(self, original: StoredObject) -> None:
        self._original = original
        self._loop = asyncio.get_running_loop()
        self.size = original.size

    def read(self, start: int, length: int) -> bytes:
        """Up to `length` bytes. Raises RetryError."""
        end = min(self.size, start + length)
        if start >= end:
            return b""
        return asyncio.run_coroutine_threadsafe(self._original.read(start, end), self._loop).result()


async def find_original(s3: "S3Client", bucket: str, key: str) -> StoredObject:
    """The object as it is now. Raises GiveUpError where there is none, or nothing in it."""
    size, etag = await _head(s3, bucket, key)
    if size == 0:
        raise GiveUpError(FailureCode.EMPTY_FILE, "The file is empty. Upload the video again.")
    return StoredObject(s3=s3, bucket=bucket, key=key, size=size, etag=etag)


async def fetch_original(
    original: StoredObject, path: Path, *, room_bytes: int, on_progress: Callable[[float], None]
) -> None:
    """Write the object to `path`, all of it from one version. Raises GiveUpError or RetryError."""
    size = original.size
    if size * ROOM_FACTOR > room_bytes:
        raise GiveUpError(
            FailureCode.SOURCE_TOO_LARGE,
            f"The file has {size:,} bytes, more than the {room_bytes // ROOM_FACTOR:,} that can be processed here. "
            "Export it at a lower bit rate.",
        )
    stalled = 0
    # New, and no link that a tool may have left in its place.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _READABLE)
    with os.fdopen(descriptor, "wb") as file:
        while file.tell() < size:
            before = file.tell()
            try:
                answer = await original.s3.get_object(
                    Bucket=original.bucket, Key=original.key, Range=f"bytes={before}-", IfMatch=original.etag
                )
                async with answer["Body"] as body:
                    while piece := await body.read(_PIECE_BYTES):
                        await asyncio.to_thread(file.write, piece)
                        on_progress(file.tell() / size)
            except ClientError as error:
                if _code(error) in {"PreconditionFailed", "412"}:
                    raise RetryError("the original changed while it was read", counted=False) from error
                raise
            except AWS_ERRORS as error:
                stalled = stalled + 1 if file.tell() == before else 0
                if stalled >= _STALLED_ATTEMPTS:
                    raise RetryError(f"the original cannot be read: {error!r}", counted=False) from error


async def _head(s3: "S3Client", bucket: str, key: str) -> tuple[int, str]:
    try:
        head = await s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if _code(error) in {"404", "NoSuchKey", "NotFound"}:
            raise GiveUpError(
                FailureCode.PROCESSING_FAILED, "The uploaded file is no longer stored. Upload the video again."
            ) from error
        raise
    return head["ContentLength"], head["ETag"]


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
