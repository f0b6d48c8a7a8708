"""Files that the worker has published, in a bucket that nobody else can read."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from vodstack_app.aws import error_code, storage_errors
from vodstack_app.errors import NotFoundError
from vodstack_app.object_urls import ObjectUrls
from vodstack_app.signing import ReadMethod

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

MP4_URL_SECONDS = 3600
FILE_URL_SECONDS = 300
# Some hours of video make a playlist of a few hundred KiB.
PLAYLIST_LIMIT_BYTES = 4 * 1024 * 1024
_MISSING = frozenset({"404", "NoSuchKey", "NotFound", "403", "AccessDenied"})


class Published:
    """Reads playlists and signs URLs of everything else."""

    def __init__(self, s3: "S3Client", bucket: str, urls: ObjectUrls) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._urls = urls

    async def sign(self, key: str, seconds: int, method: ReadMethod = "GET") -> str:
        """A URL that opens the object for a while, by this method. No call is made; the object may be missing."""
        return await self._urls.sign(key, seconds, method)

    async def require(self, key: str) -> None:
        """Raises NotFoundError where there is no such object."""
        with storage_errors():
            try:
                await self._s3.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                raise _as_missing(error) from error

    async def read_playlist(self, key: str) -> bytes:
        """The playlist's text. Raises NotFoundError."""
        with storage_errors():
            try:
                answer = await self._s3.get_object(
                    Bucket=self._bucket, Key=key, Range=f"bytes=0-{PLAYLIST_LIMIT_BYTES - 1}"
                )
            except ClientError as error:
                raise _as_missing(error) from error
            async with answer["Body"] as body:
                return await body.read()


def _as_missing(error: ClientError) -> Exception:
    # Who may not list a bucket is told 403 where an object is missing.
    if error_code(error) in _MISSING:
        return NotFoundError("The video has no such file.")
    return error
