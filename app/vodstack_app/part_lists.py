"""The calls of S3 that carry a multipart upload's parts, thousands of them, on threads.

botocore takes 0.1 ms for each part that it reads out of an answer: on the event loop, a page of a thousand would keep
everybody else waiting for that tenth of a second.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from botocore.config import Config
from botocore.session import get_session

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")

THREADS = 4


class Arrived(NamedTuple):
    """A part that the bucket holds."""

    size_bytes: int
    etag: str


class PartLists:
    """Reads and sends them. Raises what botocore raises."""

    def __init__(self, s3: "S3Client", bucket: str, threads: ThreadPoolExecutor) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._threads = threads

    async def read(self, key: str, upload_id: str) -> dict[int, Arrived]:
        """What has arrived, by number."""
        return await self._apart(partial(self._read, key, upload_id))

    async def complete(self, key: str, upload_id: str, etags: Mapping[int, str]) -> None:
        """Let the object appear that consists of these parts, given by number."""
        await self._apart(partial(self._complete, key, upload_id, etags))

    async def _apart(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _read(self, key: str, upload_id: str) -> dict[int, Arrived]:
        pages = self._s3.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
        return {
            part.get("PartNumber", 0): Arrived(part.get("Size", 0), part.get("ETag", ""))
            for page in pages
            for part in page.get("Parts", [])
        }

    def _complete(self, key: str, upload_id: str, etags: Mapping[int, str]) -> None:
        parts: list[Any] = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
        self._s3.complete_multipart_upload(
            Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )


@asynccontextmanager
async def open_part_lists(region: str, bucket: str, config: Mapping[str, Any]) -> AsyncGenerator[PartLists]:
    """The client has a session of its own: those of aiobotocore are for one event loop."""
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="part-lists")
    session = cast("Any", get_session())
    options: dict[str, Any] = {**config, "max_pool_connections": THREADS}
    s3 = session.create_client("s3", region_name=region, config=Config(**options))
    try:
        yield PartLists(s3, bucket, threads)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        s3.close()
