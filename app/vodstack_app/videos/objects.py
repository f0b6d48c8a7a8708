"""What lies in the bucket for a video."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from vodstack_app.aws import error_code, storage_errors
from vodstack_app.errors import UnavailableError
from vodstack_contracts.objects import original_key, rendition_prefix

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import ObjectIdentifierTypeDef


GONE = "NoSuchUpload"
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


class StoredObjects:
    """The original and everything that was published."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    async def remove(self, video_id: str) -> None:
        """Delete all that is there now. Raises UnavailableError; then some may be left."""
        for prefix in (original_key(video_id), rendition_prefix(video_id)):
            with storage_errors():
                while keys := await self._some_keys(prefix):
                    answer = await self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})
                    if faults := answer.get("Errors"):
                        raise UnavailableError(f"The bucket keeps an object: {faults[0].get('Code')}.")

    async def settle(self, video_id: str, upload_id: str) -> bool:
        """Whether the original has arrived; where it has not, its multipart upload goes, so that it never will."""
        key = original_key(video_id)
        with storage_errors():
            try:
                await self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                if error_code(error) != GONE:
                    raise
        return await self.has_original(video_id)

    async def has_original(self, video_id: str) -> bool:
        """Raises UnavailableError."""
        with storage_errors():
            try:
                await self._s3.head_object(Bucket=self._bucket, Key=original_key(video_id))
            except ClientError as error:
                if error_code(error) not in _ABSENT:
                    raise
                return False
        return True

    async def _some_keys(self, prefix: str) -> "list[ObjectIdentifierTypeDef]":
        # A listing's page has as many keys as a deletion takes.
        listing = await self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
        return [{"Key": entry["Key"]} for entry in listing.get("Contents", []) if "Key" in entry]
