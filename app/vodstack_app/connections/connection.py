"""One connection, as uvicorn serves it, with the limits that uvicorn lacks.

docs/adr/0086-slow-clients-are-bounded-in-the-server.md says which, and why in here.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vodstack_app.connections import answers
from vodstack_app.connections.limits import HEADERS_LIMIT, PIECE_BYTES, PIPELINED_LIMIT
from vodstack_app.connections.registry import Registry

_CLOSE = (b"connection", b"close")


class _RefusedError(Exception):
    """Stops the parser: what it was fed is not taken."""


class Flow(FlowControl):
    """uvicorn's control of reading, with a further reason to wait: what was read is not parsed yet."""

    _is_held = False

    def hold(self) -> None:
        self._is_held = True
        if not self.read_paused:
            self._transport.pause_reading()

    def release(self) -> None:
        self._is_held = False
        if not self.read_paused:
            self._transport.resume_reading()

    def pause_reading(self) -> None:
        if self._is_held:
            self.read_paused = True
        else:
            super().pause_reading()

    def resume_reading(self) -> None:
        if self._is_held:
            self.read_paused = False
        else:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """Bounds the time and the bytes of a head, the framing of a body, and what follows an answer.

    `_running` is the request that is being answered; `cycle`, uvicorn's own, is the one that was read last.
    """

    def __init__(self, *arguments: Any, registry: Registry, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._registry = registry
        self._limits = registry.limits
        self._flow: Flow
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._rest = b""
        self._is_in_head = self._is_in_message = self._has_length = False
        self._is_refused = self._leaves = self._is_draining = False
        self._head_bytes = self._body_bytes = self._framing_bytes = self._headers = 0
        self._refusal = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - uvicorn's own signature
        super().connection_made(transport)
        self.flow = self._flow = Flow(transport)
        if refusal := self._registry.admit(self, self._own_address()):
            self._refuse(refusal)
        else:
            self._wait(self._limits.request_seconds, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._registry.release(self)
        super().connection_lost(exc)
        # uvicorn tells the request that was read last; with pipelining this is not the one that is being answered.
        _disconnect(self._running)
        self._running = None
        self.pipeline.clear()

    def give_way(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        if self._has_length or len(data) <= PIECE_BYTES:
            self._feed(data)
            return
        self._rest = data
        self._flow.hold()
        self._feed_next()

    def _feed_next(self) -> None:
        """Parse a piece of what was read, and let others have their turn before the next one."""
        if self._is_refused or self.parser is None or self.transport.is_closing():
            self._rest = b""
            return
        # Of a body whose length is known nothing but its end is looked for.
        size = len(self._rest) if self._has_length else PIECE_BYTES
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._feed(piece)
        if self._rest:
            self.loop.call_soon(self._feed_next)
        else:
            self._flow.release()

    def _feed(self, data: bytes) -> None:
        # The piece in which a message begins may hold an earlier one's end: it is counted from the next one on.
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._is_refused:
            return
        if not self._is_in_message:
            self._await_message()
        elif self._framing_bytes > self._limits.head_bytes + self._body_bytes:
            self._refuse(self._head_too_large() if self._is_in_head else answers.framing_too_large())

    def on_message_begin(self) -> None:
        if self._is_draining or len(self.pipeline) >= PIPELINED_LIMIT:
            raise _RefusedError
        super().on_message_begin()
        self._is_in_head = self._is_in_message = True
        self._head_bytes = self._body_bytes = self._framing_bytes = self._headers = 0
        if self._running is None:
            self._wait(self._limits.request_seconds, self._refuse_late)

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._count_head(len(name) + len(value))
        # What follows a chunked body is no header: the app has judged those already.
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._has_length = any(name == b"content-length" for name, _ in self.headers)
        if self._running is None:
            self._stop_waiting()
        self._registry.serve(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._framing_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_message = self._has_length = False
        super().on_message_complete()
        if self._is_draining:
            self.transport.close()

    def on_response_complete(self) -> None:
        self._running = None
        if self._leaves:
            self.pipeline.clear()
        super().on_response_complete()
        if self.transport.is_closing() or self._running:
            return
        if self._leaves:
            self._leave()
        elif self._is_in_head:
            self._wait(self._limits.request_seconds, self._refuse_late)
        else:
            self._registry.wait(self)

    def send_400_response(self, msg: str) -> None:
        """The parser was stopped, by what it was fed or by us."""
        del msg
        self._refuse(self._refusal or answers.malformed())

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            async def send_closing(message: Any) -> None:
                if message["type"] != "http.response.start" or not cycle.more_body:
                    await send(message)
                    return
                self._leaves = True
                kept = [header for header in message["headers"] if header[0].lower() != b"connection"]
                await send({**message, "headers": [*kept, _CLOSE]})
                # uvicorn would close with bytes unread, of which the client's side would make a broken connection.
                cycle.keep_alive = True

            await app(scope, receive, send_closing)

        super()._start_asgi_task(cycle, answer)

    def _own_address(self) -> str | None:
        """The client's address; None for a proxy's, which is many clients'."""
        address = self.client[0] if self.client else None
        app: object = cast("Any", self).app  # its type has parts that uvicorn does not know either
        is_proxy = isinstance(app, ProxyHeadersMiddleware) and address in app.trusted_hosts
        return None if is_proxy else address

    def _count_head(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._headers > HEADERS_LIMIT or self._head_bytes > self._limits.head_bytes:
            self._refusal = self._head_too_large()
            raise _RefusedError

    def _head_too_large(self) -> bytes:
        return answers.head_too_large(HEADERS_LIMIT, self._limits.head_bytes)

    def _refuse_late(self) -> None:
        self._refuse(answers.late(self._limits.request_seconds))

    def _refuse(self, answer: bytes) -> None:
        """Take no more of the client: say why, unless an earlier answer is due or under way."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        if self._is_draining:
            self.transport.close()
            return
        cycle = self._running
        if cycle and (cycle.response_started or cycle is not self.cycle):
            cycle.keep_alive, self._leaves = False, False
            self.pipeline.clear()
            return
        _disconnect(cycle)
        self.transport.write(answer)
        self._leave()

    def _leave(self) -> None:
        """Say that nothing more comes, and read for a moment: an answer is lost if its client is cut off writing."""
        self._unset_keepalive_if_required()
        self._registry.wait(self)
        self._is_draining = True
        if not self._is_in_message and not self._is_refused:
            self.transport.close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._wait(self._limits.drain_seconds, self.transport.close)

    def _await_message(self) -> None:
        """Bytes that begin no request do not keep a connection."""
        if self._running is None and self._timer is None and not self.transport.is_closing():
            self._wait(self._limits.request_seconds, self.transport.close)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _disconnect(cycle: RequestResponseCycle | None) -> None:
    if cycle and not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()
