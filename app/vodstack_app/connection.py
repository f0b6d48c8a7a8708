"""One connection, as uvicorn serves it, with the limits that it lacks: on the size and the time of a request's head."""

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vodstack_app.errors import HeadTooLargeError
from vodstack_app.problem_details import TYPE_PREFIX

HEAD_SECONDS = 30.0
HEAD_LIMIT_BYTES = 64 * 1024
HEADERS_LIMIT = 100
_DETAIL = f"Send {HEADERS_LIMIT} headers at most, and {HEAD_LIMIT_BYTES} bytes of them."
_PROBLEM = {
    "type": TYPE_PREFIX + HeadTooLargeError.name,
    "title": HeadTooLargeError.title,
    "status": HeadTooLargeError.status,
    "detail": _DETAIL,
    "instance": "",
}
_BODY = json.dumps(_PROBLEM).encode()
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/problem+json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


class Connection(HttpToolsProtocol):
    """Closes itself when a head does not end in time, and refuses one that is too large."""

    _waiting: asyncio.TimerHandle | None = None
    _is_in_head = False
    _is_refused = False
    _head_bytes = 0
    _headers = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - uvicorn's own signature
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._is_in_head and self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse()
            return
        super().data_received(data)
        # The piece in which a head begins may hold a body's end as well; it counts for the next one.
        self._head_bytes += len(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._head_bytes, self._headers = True, 0, 0
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        if self._headers > HEADERS_LIMIT:
            raise HeadTooLargeError(_DETAIL)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """A parser that was stopped by us says so by what it was stopped with."""
        if self._headers > HEADERS_LIMIT:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        self._is_refused = True
        self.transport.write(_REFUSAL)
        self.transport.close()

    def _await_head(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None
