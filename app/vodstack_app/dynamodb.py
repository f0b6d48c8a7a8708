"""The table's operations, over aiohttp: botocore's client takes most of a read's time to build and parse them.

Credentials, endpoint, proxy and certificates are found as botocore finds them, and what fails is raised as it raises
it (docs/adr/0065-a-thin-client-of-dynamodb.md).
"""

import asyncio
import os
import random
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import msgspec
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.retries.quota import RetryQuota
from botocore.utils import get_environ_proxies
from yarl import URL

from vodstack_app.signing import Credentials, Signer, now

CONNECT_SECONDS = 3
ANSWER_SECONDS = 5
CONNECTIONS = 50
ATTEMPTS = 3
# Spread over this and twice this, for those who failed together would fail together again.
PAUSE_SECONDS = 0.25
# What botocore's standard mode takes of its quota of 500: an outage must not be met with three times the load.
RETRY_COST = 5
SUCCESS_REFUND = 1
SERVER_ERROR = 500
OK = 200
THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "ThrottledException",
        "TransactionInProgressException",
    }
)


@dataclass(frozen=True)
class Endpoint:
    """Where a region's DynamoDB is."""

    url: URL
    region: str


class DynamoDB:
    """Each operation takes what botocore's takes and answers likewise; binary attributes alone are not known."""

    def __init__(self, http: aiohttp.ClientSession, endpoint: Endpoint, credentials: Credentials | None) -> None:
        self._http = http
        self._url = endpoint.url
        self._path = endpoint.url.raw_path or "/"
        self._host = endpoint.url.host_port_subcomponent or ""
        self._credentials = credentials
        self._signer = Signer("dynamodb", endpoint.region)
        self._quota = RetryQuota()

    async def get_item(self, **arguments: Any) -> dict[str, Any]:
        return await self._call("GetItem", arguments)

    async def put_item(self, **arguments: Any) -> dict[str, Any]:
        return await self._call("PutItem", arguments)

    async def update_item(self, **arguments: Any) -> dict[str, Any]:
        return await self._call("UpdateItem", arguments)

    async def delete_item(self, **arguments: Any) -> dict[str, Any]:
        return await self._call("DeleteItem", arguments)

    async def query(self, **arguments: Any) -> dict[str, Any]:
        return await self._call("Query", arguments)

    async def _call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raises ClientError, aiohttp's ClientError or TimeoutError, what may pass only after further attempts."""
        body = msgspec.json.encode(arguments)
        attempt = 1
        while True:
            try:
                answer = await self._send(operation, body)
            except (ClientError, aiohttp.ClientError, TimeoutError) as error:
                if attempt == ATTEMPTS or not _may_pass(error) or not self._quota.acquire(RETRY_COST):
                    raise
            else:
                self._quota.release(SUCCESS_REFUND if attempt == 1 else RETRY_COST)
                return answer
            await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * attempt))  # noqa: S311 - no secret hangs on it
            attempt += 1

    async def _send(self, operation: str, body: bytes) -> dict[str, Any]:
        if self._credentials is None:
            raise NoCredentialsError
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "host": self._host,
            "x-amz-target": f"DynamoDB_20120810.{operation}",
        }
        keys = await self._credentials.get_frozen_credentials()
        signed = self._signer.headers(keys, headers, body, path=self._path, moment=now())
        async with self._http.post(self._url, data=body, headers=signed, allow_redirects=False) as answer:
            content, status = await answer.read(), answer.status
        if status != OK:
            raise _refusal(operation, status, content)
        try:
            return msgspec.json.decode(content)
        except msgspec.DecodeError as error:
            raise aiohttp.ClientPayloadError(f"{operation} was answered with something else than JSON") from error


@asynccontextmanager
async def open_dynamodb(session: Any, region: str) -> AsyncGenerator[DynamoDB]:
    """For the life of the app. `session` is aiobotocore's, of which no more than one client's settings are asked."""
    async with session.create_client("dynamodb", region_name=region) as client:
        url = URL(client.meta.endpoint_url)
    endpoint = Endpoint(url, region)
    http = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=_tls(session, url)),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS, connect=CONNECT_SECONDS),
        proxy=get_environ_proxies(str(url)).get(url.scheme),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding"),
    )
    async with http:
        yield DynamoDB(http, endpoint, await session.get_credentials())


def _tls(session: Any, url: URL) -> ssl.SSLContext | bool:
    if url.scheme != "https":
        return True
    bundle = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return ssl.create_default_context(cafile=str(bundle or get_cert_path(verify=True)))


def _may_pass(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return True
    answer = cast("dict[str, Any]", error.response)
    is_overtaxed = answer["ResponseMetadata"]["HTTPStatusCode"] >= SERVER_ERROR
    return is_overtaxed or answer["Error"]["Code"] in THROTTLED


def _refusal(operation: str, status: int, content: bytes) -> ClientError:
    """The error that botocore would raise, with what else the answer has, such as the item that stood in the way."""
    try:
        answer = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = {}
    code = str(answer.get("__type", status)).rpartition("#")[2]
    message = str(answer.get("message", answer.get("Message", "")))
    response: Any = {
        **answer,
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)
