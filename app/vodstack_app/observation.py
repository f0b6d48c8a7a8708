"""Stands around the whole app, for its router answers 404 and 405 before any middleware runs."""

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, cast

import structlog
from litestar import Request
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from vodstack_app.errors import CLIENT_CLOSED_REQUEST
from vodstack_app.identity import Identity
from vodstack_app.metrics import Metrics
from vodstack_app.safety import STRICT_TRANSPORT
from vodstack_app.tracing import Conclude, Tracing, current_traceparent, trace_id_of
from vodstack_contracts.videos import is_video_id

log: structlog.stdlib.BoundLogger = structlog.get_logger()

UNMATCHED = "unmatched"
REQUEST_ID_HEADER = b"x-request-id"
TRACEPARENT_HEADER = b"traceparent"
_MADE = "made_video_id"
_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# Anything may stand where the method stands; a label must not take every value a client thinks of.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


class Observation:
    """Counts, traces and logs every request, and gives each an id."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing, *, is_public_tls: bool = False) -> None:
        self.app = app
        self.is_public_tls = is_public_tls
        self.metrics = metrics
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        status = CLIENT_CLOSED_REQUEST

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                strict = [STRICT_TRANSPORT] if self.is_public_tls or scope["scheme"] == "https" else []
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, request_id), *strict]
            await send(message)

        started = time.perf_counter()
        traceparent = _header(scope, TRACEPARENT_HEADER).decode("latin-1")
        quietly = scope["path"] in _QUIET_PATHS
        with (
            self.metrics.requests_in_flight.track_inprogress(),
            self.tracing.follow(_method(scope), traceparent, quietly=quietly) as end,
        ):
            known = {"request_id": request_id.decode()}
            if trace_id := trace_id_of(current_traceparent()):
                known["trace_id"] = trace_id
            with structlog.contextvars.bound_contextvars(**known):
                try:
                    await self.app(scope, receive, send_with_id)
                finally:
                    self._record(scope, status, time.perf_counter() - started, end)

    def _record(self, scope: Scope, status: int, seconds: float, end: Conclude) -> None:
        known = cast("Mapping[str, object]", scope)  # the router adds the template as it finds the route
        path = str(known.get("path_template") or UNMATCHED)
        labels = (path, _method(scope), str(status))
        self.metrics.requests.labels(*labels).inc()
        self.metrics.request_duration.labels(*labels).observe(seconds)
        write = log.debug if path in _QUIET_PATHS else log.info
        write("request", method=labels[1], path=path, status=status, seconds=round(seconds, 6), **_subject(known))
        end(path, status)


def _method(scope: Scope) -> str:
    method = str(cast("Mapping[str, object]", scope).get("method", ""))
    return method if method in _METHODS else "other"


def note_video(request: Request[Any, Any, Any], video_id: str) -> None:
    """Let the request's log line name the video that it made."""
    request.state[_MADE] = video_id


def _subject(known: Mapping[str, object]) -> dict[str, str]:
    """Who has asked, where the gate has found out, and about which video."""
    state = cast("Mapping[str, object]", known.get("state") or {})
    parameters = cast("Mapping[str, object]", known.get("path_params") or {})
    identity = state.get("identity")
    video_id = str(state.get(_MADE) or parameters.get("video_id") or "").lower()
    owner = {"owner": identity.owner} if isinstance(identity, Identity) else {}
    return owner | ({"video_id": video_id} if is_video_id(video_id) else {})


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


def _request_id(scope: Scope) -> bytes:
    given = _header(scope, REQUEST_ID_HEADER)
    return given if _SANE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()
