"""The clients of S3 and DynamoDB, and what becomes of their errors."""

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientError as TransportError
from botocore.exceptions import BotoCoreError, ClientError

from vodstack_app.dynamodb import open_dynamodb
from vodstack_app.errors import UnavailableError
from vodstack_app.part_lists import PartLists, open_part_lists
from vodstack_app.settings import Settings
from vodstack_app.signing import Credentials

if TYPE_CHECKING:  # the stubs are in no image
    from types_aiobotocore_dynamodb.client import DynamoDBClient
    from types_aiobotocore_s3.client import S3Client

# Everything by which a call to AWS can fail; TimeoutError is aiohttp's own.
AWS_ERRORS = (BotoCoreError, ClientError, TransportError, TimeoutError)


@dataclass(frozen=True)
class Clients:
    """One client a service for the life of the app, and who it is to them."""

    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    credentials: Credentials | None
    part_lists: PartLists


_S3_CONFIG: Mapping[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 60,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    # A body over HTTP is signed with its SHA-256 already; a second checksum would be work for nothing.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
    # Presigned URLs of the older signature cannot open what a KMS key has encrypted.
    "signature_version": "s3v4",
}


@asynccontextmanager
async def open_clients(settings: Settings) -> AsyncGenerator[Clients]:
    session = cast("Any", get_session())  # its type knows every service there is, none of them fully
    parts_in_flight = 2 * settings.max_uploads
    config = AioConfig(**_S3_CONFIG, max_pool_connections=parts_in_flight + 16)
    async with (
        session.create_client("s3", region_name=settings.region, config=config) as s3,
        open_dynamodb(session, settings.region) as dynamodb,
        open_part_lists(settings.region, settings.bucket, _S3_CONFIG) as part_lists,
    ):
        # Its operations have the form of those that the stubs describe.
        table = cast("DynamoDBClient", dynamodb)
        yield Clients(s3, table, await session.get_credentials(), part_lists)


@contextmanager
def storage_errors() -> Generator[None]:
    """Let failures of AWS appear as UnavailableError."""
    try:
        yield
    except AWS_ERRORS as error:
        raise UnavailableError("The storage behind this service does not answer. Try again in a moment.") from error


def error_code(error: BaseException) -> str:
    """The service's own code for the error, or nothing where no service has answered."""
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
