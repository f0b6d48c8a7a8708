"""What a sandboxed media tool may read over HTTP: these files, from the worker, and nothing else."""

import asyncio
import re
import secrets
import socket
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from botocore.exceptions import ClientError

from vodstack_worker.call_answers import answered_calls
from vodstack_worker.confine import CALLS, PORT
from vodstack_worker.errors import RetryError
from vodstack_worker.lease import AWS_ERRORS

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

# Tools jump about at first and then read on: pieces grow from the one to the other.
_FIRST_PIECE_BYTES = 256 * 1024
_LARGEST_PIECE_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
# More than any tool keeps open at a time. Each may hold two of the largest pieces of the worker's memory.
_MOST_CONNECTIONS = 8
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_GONE = frozenset({"PreconditionFailed", "412", "NoSuchKey", "404"})


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object of the bucket, pinned to one version by its etag."""

    s3: "S3Client"
    bucket: str
    key: str
    size: int
    etag: str

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, in one request. Raises RetryError."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await self.s3.get_object(
                    Bucket=self.bucket, Key=self.key, Range=f"bytes={start}-{end - 1}", IfMatch=self.etag
                )
                async with answer["Body"] as body:
                    return await body.read()
            except AWS_ERRORS as error:
                if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _GONE:
                    # Counted, for this version will never be read again: whoever planned by it has to give up once.
                    raise RetryError(f"{self.key} changed or went away while it was read") from error
                if attempt == _ATTEMPTS:
                    raise RetryError(f"{self.key} cannot be read: {error!r}", counted=False) from error
                await asyncio.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")


class Relay:
    """Serves files by name to one sandboxed tool at a time. The addresses hold a word that cannot be guessed."""

    def __init__(self, files: Mapping[str, StoredObject | bytes]) -> None:
        self._files = files
        self._word = secrets.token_urlsafe(16)
        self._failure: RetryError | None = None
        self.sent_bytes = 0
        self._waited_seconds = 0.0
        self._waiting_since: list[float] = []

    @property
    def waited_seconds(self) -> float:
        """Spent in getting at what was asked for; what is under way counts, for nobody ends it with its reader."""
        now = time.monotonic()
        return self._waited_seconds + sum(now - began for began in self._waiting_since)

    def url(self, name: str) -> str:
        """An address for a tool's arguments; the sandbox puts the port in."""
        return f"http://127.0.0.1:{PORT}/{self._word}/{name}"

    def require_whole(self) -> None:
        """Raises RetryError where something could not be served: a tool may have taken it for the end."""
        if self._failure:
            raise self._failure

    async def answer(self, control: socket.socket) -> None:
        """Take from the other end of `control` what the sandbox has to be answered at, and answer until cancelled."""
        try:
            await self._answer(control)
        except Exception as error:  # noqa: BLE001 - a tool that is not answered takes it for the file's fault
            self._failure = RetryError(f"the relay broke: {error!r}")

    async def _answer(self, control: socket.socket) -> None:
        kind, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, control, 16, 1)
        if not descriptors:
            return
        application = web.Application()
        application.add_routes([web.get(f"/{self._word}/{{name:.+}}", self._serve)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            if kind == CALLS:
                await _answer_calls(descriptors[0], runner)
            else:
                await web.SockSite(runner, socket.socket(fileno=descriptors[0])).start()
                await asyncio.get_running_loop().create_future()
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.match_info["name"])
        if file is None:
            return web.Response(status=404)
        size = len(file) if isinstance(file, bytes) else file.size
        wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        end = min(size, int(wanted[2]) + 1) if wanted and wanted[2] else size
        if wanted and start >= end:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        response = web.StreamResponse(status=206 if wanted else 200, headers=headers)
        try:
            await response.prepare(request)
            async with aclosing(self._pieces(file, start, end)) as pieces:
                async for piece in pieces:
                    await response.write(piece)
                    self.sent_bytes += len(piece)
        except ConnectionError:
            # The tool has read what it wanted and jumps elsewhere, or is no more.
            return response
        except RetryError as error:
            self._failure = error
            _break(request)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not look like the file's
            self._failure = RetryError(f"the relay broke: {error!r}")
            _break(request)
        return response

    async def _pieces(self, file: StoredObject | bytes, start: int, end: int) -> AsyncGenerator[bytes]:
        """Whoever reads on is sent one piece while the next is fetched; who only looks has none fetched in vain."""
        if isinstance(file, bytes):
            yield file[start:end]
            return
        length = _FIRST_PIECE_BYTES
        ahead: asyncio.Task[bytes] | None = None
        try:
            while start < end:
                stop = min(end, start + length)
                piece = await self._waited(ahead or asyncio.create_task(file.read(start, stop)))
                reads_on = length > _FIRST_PIECE_BYTES
                start, length = stop, min(2 * length, _LARGEST_PIECE_BYTES)
                ahead = None
                if reads_on and start < end:
                    ahead = asyncio.create_task(file.read(start, min(end, start + length)))
                yield piece
        finally:
            if ahead:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    async def _waited(self, reading: asyncio.Task[bytes]) -> bytes:
        began = time.monotonic()
        self._waiting_since.append(began)
        try:
            return await reading
        finally:
            self._waiting_since.remove(began)
            self._waited_seconds += time.monotonic() - began


async def _answer_calls(descriptor: int, runner: web.AppRunner) -> None:
    """Serve on sockets that the tool asks for and is given, until cancelled."""
    loop = asyncio.get_running_loop()
    server = runner.server
    if server is None:
        raise AssertionError("the runner was set up")
    async with asyncio.TaskGroup() as accepted:
        # What the thread that answers hands over to the loop.
        waiting: deque[socket.socket] = deque()

        def accept() -> None:
            ours = waiting.popleft()
            ours.settimeout(0)
            accepted.create_task(loop.connect_accepted_socket(server, ours))

        def connect(ours: socket.socket) -> bool:
            if len(waiting) + len(server.connections) >= _MOST_CONNECTIONS:
                return False
            waiting.append(ours)
            loop.call_soon_threadsafe(accept)
            return True

        with answered_calls(descriptor, connect):
            await loop.create_future()


def _break(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()
