"""Traces by OpenTelemetry, sent where the standard `OTEL_*` variables say; without them nothing of it is imported.

What a trace is known by travels in the video's record, for the bucket's event carries nothing of ours
(docs/adr/0018-a-trace-goes-on-through-the-record.md).
"""

import os
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING

from vodstack_contracts.environment import traces_are_wanted

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

SERVICE = "vodstack-api"
SERVER_ERROR = 500
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID = slice(3, 35)
_current: ContextVar[str] = ContextVar("traceparent", default="")

#: Told the route and the status, once both are known.
Conclude = Callable[[str, int], None]


def current_traceparent() -> str:
    """By which others go on with this request's trace (W3C Trace Context); empty where there is none."""
    return _current.get()


def trace_id_of(traceparent: str) -> str:
    return traceparent[_TRACE_ID]


class Tracing:
    """Makes a span of each request, or only passes on the trace that the request belongs to."""

    def __init__(self) -> None:
        self._tracer: Tracer | None = None
        self._close: Callable[[], None] | None = None
        if traces_are_wanted(os.environ):
            self._tracer, self._close = _open_tracer()

    def close(self) -> None:
        """Send what has not been sent."""
        if self._close:
            self._close()

    @contextmanager
    def follow(self, method: str, given: str, *, quietly: bool) -> Generator[Conclude]:
        """The time of one request, `quietly` without a span. `given` is what its traceparent header says."""
        parent = given if _TRACEPARENT.fullmatch(given) else ""
        tracer = None if quietly else self._tracer
        with _span(tracer, method, parent) if tracer else nullcontext() as span:
            token = _current.set(_traceparent(span) if span else parent)
            try:
                yield lambda route, status: _conclude(span, method, route, status)
            finally:
                _current.reset(token)


def _open_tracer() -> "tuple[Tracer, Callable[[], None]]":
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - imported by those who want it
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter  # noqa: PLC0415 - likewise

    if os.environ.get("OTEL_TRACES_EXPORTER") == "console":
        exporter = ConsoleSpanExporter()
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - likewise

        exporter = OTLPSpanExporter()
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider.get_tracer("vodstack_app"), provider.shutdown


@contextmanager
def _span(tracer: "Tracer", method: str, parent: str) -> "Generator[Span]":
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - it is there by now
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - likewise

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    with tracer.start_as_current_span(method, context, SpanKind.SERVER) as span:
        yield span


def _traceparent(span: "Span") -> str:
    made = span.get_span_context()
    return f"00-{made.trace_id:032x}-{made.span_id:016x}-{made.trace_flags:02x}"


def _conclude(span: "Span | None", method: str, route: str, status: int) -> None:
    if span is None:
        return
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - it is there by now

    span.update_name(f"{method} {route}")
    span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if status >= SERVER_ERROR:
        span.set_status(StatusCode.ERROR)
