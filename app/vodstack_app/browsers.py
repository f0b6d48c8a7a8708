"""What pages of other origins may ask of the API, and read of its answers."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from litestar import Request
from litestar.config.cors import CORSConfig
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from vodstack_app.errors import BadRequestError
from vodstack_app.problem_details import problem_response
from vodstack_contracts.environment import ANY_PORT

# In small letters, for Litestar compares them so.
ASKED_HEADERS = ["authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id", "traceparent"]
READ_HEADERS = [
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
]
PREFLIGHT_LIFE_SECONDS = 3600


def allow_browsers(origins: Sequence[str]) -> CORSConfig | None:
    """None lets no page of another origin in. Tokens travel in a header, so cookies are never allowed."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=[origin for origin in origins if not origin.endswith(ANY_PORT)],
        allow_origin_regex=_at_any_port(origins),
        allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=ASKED_HEADERS,
        expose_headers=READ_HEADERS,
        max_age=PREFLIGHT_LIFE_SECONDS,
    )


def _at_any_port(origins: Sequence[str]) -> str | None:
    """A browser leaves out port 80."""
    hosts = [re.escape(origin.removesuffix(ANY_PORT)) for origin in origins if origin.endswith(ANY_PORT)]
    return f"({'|'.join(hosts)})(:[0-9]+)?" if hosts else None


class Preflights:
    """Stands around the app: Litestar refuses preflights in plain text, and every error of ours is a problem detail."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "OPTIONS":
            await self._app(scope, receive, send)
            return
        refusal: bytes | None = None

        async def hold_refusal(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start" and _is_refusal(message["status"], message["headers"]):
                refusal = b""
            elif message["type"] == "http.response.body" and refusal is not None:
                refusal += message["body"]
            else:
                await send(message)

        await self._app(scope, receive, hold_refusal)
        if refusal is not None:
            request: Request[Any, Any, Any] = Request(scope)
            detail = f"A page of another origin may not ask so: {refusal.decode()}."
            error = BadRequestError(detail)
            answer = problem_response(request, error.status, error.name, error.title, detail)
            await answer.to_asgi_response(app=None, request=request)(scope, receive, send)


def _is_refusal(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return status == BadRequestError.status and dict(headers).get(b"content-type", b"").startswith(b"text/plain")
