"""Traces by OpenTelemetry, sent where the standard `OTEL_*` variables say; without them nothing of it is imported.

A video's record says to which request's trace its processing belongs.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from structlog.contextvars import bound_contextvars

from vodstack_contracts.environment import traces_are_wanted
from vodstack_contracts.videos import VideoRecord

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

SERVICE = "vodstack-worker"
_TRACE_ID = slice(3, 35)

Conclude = Callable[[str], None]


class Tracing:
    """Makes a span of each piece of work on a video, if anybody wants it."""

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
    def follow(self, name: str, record: VideoRecord, **about: str | int) -> Generator[Conclude]:
        """The time of a piece of work, to be told its outcome. Its log lines name the trace, whoever sends spans."""
        known = {"trace_id": record.traceparent[_TRACE_ID]} if record.traceparent else {}
        with bound_contextvars(**known):
            if self._tracer is None:
                yield lambda _: None
                return
            with _span(self._tracer, name, record, about) as span:
                yield lambda outcome: span.set_attribute("vodstack.outcome", outcome)


@contextmanager
def _span(tracer: "Tracer", name: str, record: VideoRecord, about: dict[str, str | int]) -> "Generator[Span]":
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - it is there by now
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - likewise

    parent = TraceContextTextMapPropagator().extract({"traceparent": record.traceparent})
    attributes = {f"vodstack.{key}": value for key, value in {"video_id": record.video_id, **about}.items()}
    with tracer.start_as_current_span(name, parent, SpanKind.CONSUMER, attributes) as span:
        yield span


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
    return provider.get_tracer("vodstack_worker"), provider.shutdown
