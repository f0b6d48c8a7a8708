"""A pass-through in front of AWS (or moto) at which a test can stop, fail or lose any request.

    with AwsProxy(endpoint_url) as proxy:
        proxy.intercept(is_write, nth=3, before=process.kill)

A service is sent through it by AWS_ENDPOINT_URL. Requests wait in threads of their own, so a held one holds no other.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, cast
from urllib.parse import parse_qs, urlsplit

HOP_HEADERS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "date", "server"})
_HOLD_SECONDS = 60
WRITES = frozenset(
    {
        "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems",
        "PutObject", "DeleteObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload",
        "AbortMultipartUpload",
        "SendMessage", "DeleteMessage", "ChangeMessageVisibility",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    operation: str
    method: str
    path: str
    body: bytes


def is_write(seen: Seen) -> bool:
    return seen.operation in WRITES


def is_operation(*names: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.operation in names


@dataclass
class Interception:
    """What happens to the requests that match: to the `nth` alone (counted from 1), or to every one."""

    matches: Callable[[Seen], bool]
    nth: int | None
    before: Callable[[], object] | None
    after: Callable[[], object] | None
    status: int | None
    lose: bool
    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def applies_to(self, seen: Seen) -> bool:
        with self._lock:
            self.count += self.matches(seen)
            return self.matches(seen) and self.nth in (None, self.count)


class Held:
    """A request that waits before it is passed on."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.goes_on = threading.Event()

    def stand(self) -> None:
        self.came.set()
        self.goes_on.wait(_HOLD_SECONDS)

    def wait_for_it(self) -> None:
        assert self.came.wait(_HOLD_SECONDS)

    def release(self) -> None:
        self.goes_on.set()


class AwsProxy:
    """The pass-through; it listens from its construction on, and `seen` holds what came."""

    def __init__(self, upstream: str) -> None:
        self.seen: list[Seen] = []
        self.interceptions: list[Interception] = []
        self.upstream = urlsplit(upstream)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def intercept(
        self,
        matches: Callable[[Seen], bool],
        *,
        nth: int | None = None,
        before: Callable[[], object] | None = None,
        after: Callable[[], object] | None = None,
        status: int | None = None,
        lose: bool = False,
    ) -> Interception:
        """Call `before` it is passed on or `after` it was answered; answer `status` in place; `lose` the answer.

        A callback may block for as long as the request shall hang.
        """
        interception = Interception(matches, nth, before, after, status, lose)
        self.interceptions.append(interception)
        return interception

    def hold(self, matches: Callable[[Seen], bool]) -> Held:
        """Keep what matches from being passed on until it is released."""
        held = Held()
        self.intercept(matches, before=held.stand)
        return held

    def operations(self, matches: Callable[[Seen], bool] = is_write) -> list[str]:
        return [seen.operation for seen in self.seen if matches(seen)]

    def clear(self) -> None:
        self.seen.clear()
        self.interceptions.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: AwsProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed client is what tests are about: no word of it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """A word a request would bury the tests' own."""

    def _pass(self) -> None:
        proxy = cast("_Server", self.server).proxy
        seen = self._read()
        proxy.seen.append(seen)
        met = [interception for interception in proxy.interceptions if interception.applies_to(seen)]
        for interception in met:
            if interception.before:
                interception.before()
        statuses = [interception.status for interception in met if interception.status]
        if statuses:
            self._answer(statuses[0], [], b"")
            return
        status, headers, body = self._forward(proxy, seen)
        for interception in met:
            if interception.after:
                interception.after()
        if any(interception.lose for interception in met):
            self.close_connection = True
            return
        self._answer(status, headers, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _pass  # noqa: N815 - the base class looks for these

    def _read(self) -> Seen:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            # The sender died: passed on, the piece would be stored as if it were whole.
            raise ConnectionError(f"{len(body)} of {length} bytes came")
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        return Seen(target or _s3_operation(self.command, self.path), self.command, self.path, body)

    def _forward(self, proxy: AwsProxy, seen: Seen) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = HTTPConnection(proxy.upstream.hostname or "", proxy.upstream.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_HEADERS}
        try:
            upstream.request(seen.method, seen.path, body=seen.body, headers=headers)
            answer: HTTPResponse = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            length = str(len(body))
            for name, value in headers:
                if name.lower() == "content-length" and self.command == "HEAD":
                    length = value
                if name.lower() not in HOP_HEADERS:
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(body)


def _s3_operation(method: str, path: str) -> str:
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    match method:
        case "POST" if "uploads" in query:
            return "CreateMultipartUpload"
        case "POST" if "uploadId" in query:
            return "CompleteMultipartUpload"
        case "PUT" if "uploadId" in query:
            return "UploadPart"
        case "DELETE" if "uploadId" in query:
            return "AbortMultipartUpload"
        case "PUT" | "DELETE" | "HEAD" | "GET":
            return f"{method.capitalize()}Object"
        case _:
            return method
