"""HEAD wherever GET is, and OPTIONS everywhere: methods that no handler has to know of."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.status_codes import HTTP_204_NO_CONTENT
from litestar.types import ASGIApp, HTTPDisconnectEvent, HTTPRequestEvent, HTTPScope, Message, Receive, Scope, Send

_ALLOW = b"allow"
_IS_HEAD = "vodstack.is_head"


def with_head(methods: Iterable[str]) -> list[str]:
    """The methods of a path in their order, with HEAD where there is GET."""
    named = set(methods)
    return sorted(named | ({HttpMethod.HEAD.value} if HttpMethod.GET.value in named else set()))


def is_head(request: Request[Any, Any, Any]) -> bool:
    """Whether a handler of GET is asked by HEAD."""
    return bool(cast("Mapping[str, object]", request.scope).get(_IS_HEAD))


def options_handlers(handlers: Sequence[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """One for each path of theirs: Litestar's own knows only the methods of the handler that came first."""
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, {HttpMethod.OPTIONS.value}).update(map(str, handler.http_methods))
    return [_options_handler(path, allowed) for path, allowed in methods.items()]


def _options_handler(path: str, allowed: set[str]) -> HTTPRouteHandler:
    @route(path, http_method=HttpMethod.OPTIONS, status_code=HTTP_204_NO_CONTENT, include_in_schema=False)
    async def tell_methods() -> Response[None]:
        return Response(None, headers={"Allow": ", ".join(sorted(allowed))})

    return tell_methods


class Heads:
    """Answer HEAD as GET is answered, without the body (RFC 9110, 9.3.2), and name it in every Allow header.

    It stands around the app, for Litestar lets a handler of HEAD have no body, and so no Content-Length of one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_allowing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(name, _allowing(name, value)) for name, value in message["headers"]]
            await send(message)

        if scope["type"] == "http" and scope["method"] == HttpMethod.HEAD:
            await self._answer_head(scope, send_allowing)
        else:
            await self._app(scope, receive, send_allowing)

    async def _answer_head(self, scope: HTTPScope, send: Send) -> None:
        answered = asyncio.Event()
        requests: list[HTTPRequestEvent] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                answered.set()

        async def receive_nothing() -> HTTPRequestEvent | HTTPDisconnectEvent:
            if requests:
                return requests.pop()
            # A stream ends with its client, and this client has what it asked for.
            await answered.wait()
            return {"type": "http.disconnect"}

        known = cast("dict[str, Any]", scope)
        inner = {**known, "method": HttpMethod.GET.value, _IS_HEAD: True}
        try:
            await self._app(cast("HTTPScope", inner), receive_nothing, send_head)
        finally:
            # What the router has found out is what the request is counted by.
            known.update({**inner, "method": HttpMethod.HEAD.value})


def _allowing(name: bytes, value: bytes) -> bytes:
    return ", ".join(with_head(value.decode("latin-1").split(", "))).encode("latin-1") if name == _ALLOW else value
