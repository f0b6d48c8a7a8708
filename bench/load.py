"""`python -m load`: requests from a process of its own, as fast as a service answers, and their count as JSON.

A connection writes bytes made beforehand and has the answer parsed by httptools, which is in C. `bench/api.py` shows
what it reaches where nothing is done for a request.
"""

import argparse
import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, repeat
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

MIB = 1024 * 1024
PATIENCE_SECONDS = 120
FORM_HEAD = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\nContent-Type: video/mp4\r\n\r\n'
)
FORM_TAIL = b"\r\n--b--\r\n"


@dataclass(frozen=True)
class Request:
    """Bytes to send: the head, a block so many times, the tail."""

    head: bytes
    expected: int
    block: bytes = b""
    blocks: int = 0
    tail: bytes = b""


class Run:
    """What all connections share: the requests to send, and until when."""

    def __init__(self, requests: Iterator[Request], limit: int, seconds: float) -> None:
        self.latencies: list[float] = []
        self.faults: list[str] = []
        self.done = asyncio.Event()
        self._requests = requests
        self._left = limit
        self._ends_at = time.perf_counter() + seconds
        self._open = 0

    def take(self) -> Request | None:
        if self.faults or not self._left or time.perf_counter() >= self._ends_at:
            return None
        self._left -= 1
        return next(self._requests)

    def enter(self) -> None:
        self._open += 1

    def leave(self) -> None:
        self._open -= 1
        if not self._open:
            self.done.set()


class Connection(asyncio.Protocol):
    """One request after another."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._request: Request | None = None
        self._blocks_left = 0
        self._started_at = 0.0
        self._may_write = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._run.enter()
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._request:
            self._run.faults.append(f"the connection was lost: {exc}")
        self._run.leave()

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self._pump()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body = body

    def on_message_complete(self) -> None:
        status, request = self._parser.get_status_code(), self._request
        if request is None or status != request.expected:
            self._run.faults.append(f"{status}: {self._body[:500].decode(errors='replace')}")
        self._run.latencies.append(time.perf_counter() - self._started_at)
        self._next()

    def _next(self) -> None:
        self._request = self._run.take()
        if self._request is None:
            self._transport.close()
            return
        # A parser of an earlier answer would take the next one's status for its own.
        self._parser, self._body = httptools.HttpResponseParser(self), b""
        self._started_at = time.perf_counter()
        self._blocks_left = self._request.blocks
        self._transport.write(self._request.head)
        self._pump()

    def _pump(self) -> None:
        request = self._request
        while request and self._may_write and self._blocks_left:
            self._blocks_left -= 1
            self._transport.write(request.block)
            if not self._blocks_left:
                self._transport.write(request.tail)


def gets(host: str, path: str, token: str, ids: int) -> Iterator[Request]:
    """Of so many videos, in turn."""
    head = f"Host: {host}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n\r\n"
    return cycle([Request(f"GET {path}/{uuid.uuid4()} HTTP/1.1\r\n{head}".encode(), 200) for _ in range(ids)])


def uploads(host: str, path: str, token: str, size: int) -> Iterator[Request]:
    """Of a film with so many MiB."""
    length = len(FORM_HEAD) + size * MIB + len(FORM_TAIL)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
    )
    # In blocks as small as a socket's buffers: larger ones wait in the generator, as copies.
    block = os.urandom(MIB // 4)
    return repeat(Request(head.encode() + FORM_HEAD, 201, block, 4 * size, FORM_TAIL))


@dataclass
class Arguments:
    """What is to be sent, to where, by how many connections, and how long or how often."""

    what: str
    url: str
    connections: int
    seconds: float
    requests: int
    ids: int
    mib: int


async def run(arguments: Arguments) -> dict[str, object]:
    url = urlsplit(arguments.url)
    host, path = url.netloc, f"{url.path.rstrip('/')}/videos"
    token = os.environ.get("BENCH_TOKEN", "")
    make = gets if arguments.what == "get" else uploads
    requests = make(host, path, token, arguments.ids if arguments.what == "get" else arguments.mib)
    shared = Run(requests, arguments.requests, arguments.seconds)
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    for _ in range(arguments.connections):
        await loop.create_connection(lambda: Connection(shared), url.hostname or "", url.port or 80)
    async with asyncio.timeout(arguments.seconds + PATIENCE_SECONDS):
        await shared.done.wait()
    seconds = time.perf_counter() - started
    return {"count": len(shared.latencies), "seconds": seconds, "faults": shared.faults[:3]}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["get", "upload"])
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--requests", type=int, default=10**9)
    parser.add_argument("--ids", type=int, default=1000)
    parser.add_argument("--mib", type=int, default=1)
    sys.stdout.write(json.dumps(uvloop.run(run(Arguments(**vars(parser.parse_args()))))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
