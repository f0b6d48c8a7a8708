"""Traces by OpenTelemetry, sent where the standard `OTEL_*` variables say; without them nothing of it is imported.

A video's record says to which request's trace its processing belongs.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vodstack_contracts.environment import traces_are_wanted
from vodstack_contracts.videos import VideoRecord

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

SERVICE = "vodstack-worker"

Conclude = Callable[[str], None]


class Tracing:
    """Makes a span of each attempt at a video, if anybody wants it."""

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
    def follow(self, record: VideoRecord) -> Generator[Conclude]:
        """The time of one attempt at a video; to be told its outcome."""
        if self._tracer is None:
            yield lambda _: None
            return
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - it is there by now
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - likewise

        parent = TraceContextTextMapPropagator().extract({"traceparent": record.traceparent})
        about = {"vodstack.video_id": record.video_id, "vodstack.attempt": record.attempts}
        with self._tracer.start_as_current_span("process video", parent, SpanKind.CONSUMER, about) as span:
            yield lambda outcome: span.set_attribute("vodstack.outcome", outcome)


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
