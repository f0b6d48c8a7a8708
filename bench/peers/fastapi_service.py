"""The peer: the API's two busiest routes as a FastAPI service that leaves out what it can.

It has tokens, metrics and a JSON line a request, as ours has. It checks no ETag, signs no URL (it answers the one that
its record has), and writes an upload's record once, at the end. Its libraries are the fastest that are ready-made:
aiodynamo, aiobotocore without validation, a push parser, msgspec, uvicorn on uvloop.
"""

import asyncio
import os
import socket
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, cast

import aiohttp
import jwt
import msgspec
import structlog
import uvicorn
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiodynamo.client import Client, Table
from aiodynamo.credentials import Credentials
from aiodynamo.errors import ItemNotFound
from aiodynamo.http.aiohttp import AIOHTTP
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from multipart import MultipartSegment, PushMultipartParser
from prometheus_client import Counter, Histogram, generate_latest
from yarl import URL

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PART_BYTES = 8 * 1024 * 1024
PARTS_IN_FLIGHT = 2
LABELS = ("path", "method", "status")
REQUESTS = Counter("peer_http_requests_total", "Requests answered.", LABELS)
DURATION = Histogram("peer_http_request_duration_seconds", "Seconds a request.", LABELS)
log = structlog.get_logger()


@dataclass
class Backends:
    """What the routes work with, opened when the app starts."""

    table: Table
    s3: Any
    bucket: str
    keys: dict[str, Any]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    region, bucket = os.environ["AWS_REGION"], os.environ["S3_BUCKET"]
    endpoint = os.environ.get("AWS_ENDPOINT_URL_DYNAMODB", os.environ["AWS_ENDPOINT_URL"])
    config = AioConfig(
        parameter_validation=False,
        max_pool_connections=50,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)))
        client = Client(AIOHTTP(session), Credentials.auto(), region, endpoint=URL(endpoint))
        botocore = cast("Any", get_session())
        s3 = await stack.enter_async_context(botocore.create_client("s3", region_name=region, config=config))
        keys = await _fetch_keys(session, os.environ["VODSTACK_OIDC_ISSUER"])
        app.state.backends = Backends(client.table(os.environ["DYNAMODB_TABLE"]), s3, bucket, keys)
        yield


async def _fetch_keys(session: aiohttp.ClientSession, issuer: str) -> dict[str, Any]:
    async with session.get(f"{issuer}/.well-known/openid-configuration") as answer:
        uri = (await answer.json())["jwks_uri"]
    async with session.get(uri) as answer:
        return {jwk["kid"]: jwt.PyJWK(jwk).key for jwk in (await answer.json())["keys"]}


app = FastAPI(lifespan=lifespan)


async def read_owner(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    keys = request.app.state.backends.keys
    try:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        audience, issuer = os.environ["VODSTACK_OIDC_AUDIENCE"], os.environ["VODSTACK_OIDC_ISSUER"]
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=issuer)
    except (jwt.PyJWTError, KeyError) as error:
        raise HTTPException(401) from error
    if scheme.lower() != "bearer":
        raise HTTPException(401)
    return claims["sub"]


Owner = Annotated[str, Depends(read_owner)]


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


@app.get("/videos/{video_id}")
async def get_video(video_id: uuid.UUID, owner: Owner, request: Request) -> Response:
    backends: Backends = request.app.state.backends
    try:
        item = await backends.table.get_item({"video_id": str(video_id)}, consistent_read=True)
    except ItemNotFound as error:
        raise HTTPException(404) from error
    if item.get("owner") != owner:
        raise HTTPException(404)
    shown = (
        "title",
        "description",
        "tags",
        "url",
        "metadata",
        "status",
        "progress",
        "renditions",
        "playback",
        "source",
    )
    view = {name: item.get(name) for name in shown}
    return _json({"videoId": item["video_id"], "uploadDate": item["upload_date"], **view})


@app.post("/videos")
async def upload_video(owner: Owner, request: Request) -> Response:
    backends: Backends = request.app.state.backends
    boundary = request.headers.get("content-type", "").partition("boundary=")[2].strip('"')
    video_id = str(uuid.uuid4())
    upload = Upload(backends, f"originals/{video_id}/source")
    fields: dict[str, str] = {}
    name = ""
    with PushMultipartParser(boundary) as parser:
        async for chunk in request.stream():
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    name = event.name or ""
                elif event and name == "file":
                    await upload.write(event)
                elif event:
                    fields[name] = fields.get(name, "") + event.decode()
    await upload.finish()
    item = {"video_id": video_id, "owner": owner, "status": "queued", "upload_date": time.time(), **fields}
    await backends.table.put_item(item)
    return _json({"videoId": video_id}, 201)


class Upload:
    """An object in one piece where it is small, else in parts, two at a time."""

    def __init__(self, backends: Backends, key: str) -> None:
        self._s3 = backends.s3
        self._where = {"Bucket": backends.bucket, "Key": key}
        self._part = BytesIO()
        self._upload_id = ""
        self._parts: list[asyncio.Task[str]] = []
        self._slots = asyncio.Semaphore(PARTS_IN_FLIGHT)

    async def write(self, data: bytes | bytearray) -> None:
        self._part.write(data)
        if self._part.tell() >= PART_BYTES:
            await self._send()

    async def finish(self) -> None:
        if not self._parts:
            self._part.seek(0)
            await self._s3.put_object(**self._where, Body=self._part)
            return
        if self._part.tell():
            await self._send()
        tags = await asyncio.gather(*self._parts)
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        await self._s3.complete_multipart_upload(
            **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
        )

    async def _send(self) -> None:
        if not self._upload_id:
            self._upload_id = (await self._s3.create_multipart_upload(**self._where))["UploadId"]
        await self._slots.acquire()
        part, self._part = self._part, BytesIO()
        part.seek(0)
        self._parts.append(asyncio.create_task(self._send_part(len(self._parts) + 1, part)))

    async def _send_part(self, number: int, part: BytesIO) -> str:
        try:
            sent = await self._s3.upload_part(**self._where, UploadId=self._upload_id, PartNumber=number, Body=part)
        finally:
            self._slots.release()
        return sent["ETag"]


@app.get("/metrics")
async def get_metrics() -> Response:
    return Response(generate_latest(), media_type="text/plain")


class Observed:
    """Counts and logs around the app, in plain ASGI: Starlette's middleware of functions is slower."""

    def __init__(self, inner: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def send_on(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._inner(scope, receive, send_on)
        finally:
            seconds = time.perf_counter() - started
            path = getattr(scope.get("route"), "path", "unmatched")
            labels = (path, scope["method"], str(status))
            REQUESTS.labels(*labels).inc()
            DURATION.labels(*labels).observe(seconds)
            log.info("request", method=scope["method"], path=path, status=status, seconds=round(seconds, 6))


def _encode_line(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event)


def configure_logs() -> None:
    """The form that structlog's own guide gives for speed."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_encode_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )


def main() -> None:
    configure_logs()
    with socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0")))) as listener:
        sys.stdout.write(f'"port": {listener.getsockname()[1]}\n')
        sys.stdout.flush()
        config = uvicorn.Config(cast("Any", Observed(app)), access_log=False, log_level="warning", server_header=False)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
