"""The one place that exports how deep the queues are, and how long their messages wait."""

import asyncio

import structlog
from prometheus_client import Gauge

from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.messages import JobQueue
from vodstack_worker.metrics import Metrics
from vodstack_worker.waiting import Line, WaitingList

_PAUSE_SECONDS = 15.0
_REASONS = {Line.ANY: "turn", Line.LONG: "long", Line.DAY: "day"}


async def export_queue_depth(
    arrivals: JobQueue, chunks: JobQueue | None, metrics: Metrics, waiting: WaitingList | None
) -> None:
    """Set the gauges until cancelled. Every worker sees the same queues: take the largest, not the sum."""
    log = structlog.get_logger()
    while True:
        try:
            await _export(arrivals, metrics.queue_messages, metrics.queue_age)
            if chunks:
                await _export(chunks, metrics.chunk_messages, metrics.chunk_age)
            if waiting:
                for line, reason in _REASONS.items():
                    metrics.waiting.labels(reason=reason).set(await waiting.count(line))
        except AWS_ERRORS as error:
            log.warning("the depth of the queue is unknown", error=repr(error)[:300])
        await asyncio.sleep(_PAUSE_SECONDS)


async def _export(queue: JobQueue, messages: Gauge, age: Gauge) -> None:
    depth = await queue.depth()
    for state, count in depth.items():
        messages.labels(state=state).set(count)
    age.set(queue.last_wait if depth["waiting"] else 0.0)
