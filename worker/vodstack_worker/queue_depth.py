"""The one place that exports how deep the queues are, and how long arrivals wait."""

import asyncio

import structlog

from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.messages import JobQueue
from vodstack_worker.metrics import Metrics

_PAUSE_SECONDS = 15.0


async def export_queue_depth(arrivals: JobQueue, chunks: JobQueue | None, metrics: Metrics) -> None:
    """Set the gauges until cancelled. Every worker sees the same queues: take the largest, not the sum."""
    log = structlog.get_logger()
    while True:
        try:
            depth = await arrivals.depth()
            others = await chunks.depth() if chunks else {}
        except AWS_ERRORS as error:
            log.warning("the depth of the queue is unknown", error=repr(error)[:300])
        else:
            for state, count in depth.items():
                metrics.queue_messages.labels(state=state).set(count)
            for state, count in others.items():
                metrics.chunk_messages.labels(state=state).set(count)
            metrics.queue_age.set(arrivals.last_wait if depth["waiting"] else 0.0)
        await asyncio.sleep(_PAUSE_SECONDS)
