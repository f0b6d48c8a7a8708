"""What pages of other origins may ask of the API, and read of its answers."""

from collections.abc import Iterable, Sequence
from typing import Any

from litestar import Request
from litestar.config.cors import CORSConfig
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from vodstack_app.errors import BadRequestError
from vodstack_app.problem_details import problem_response

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
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=ASKED_HEADERS,
        expose_headers=READ_HEADERS,
        max_age=PREFLIGHT_LIFE_SECONDS,
    )


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
