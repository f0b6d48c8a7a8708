"""The one place that exports how deep the arrivals queue is, and how long its messages wait."""

import asyncio

import structlog

from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.messages import Arrivals
from vodstack_worker.metrics import Metrics

_PAUSE_SECONDS = 15.0


async def export_queue_depth(arrivals: Arrivals, metrics: Metrics) -> None:
    """Set the gauges until cancelled. Every worker sees the same queue: take the largest, not the sum."""
    log = structlog.get_logger()
    while True:
        try:
            depth = await arrivals.depth()
        except AWS_ERRORS as error:
            log.warning("the depth of the queue is unknown", error=repr(error)[:300])
        else:
            for state, count in depth.items():
                metrics.queue_messages.labels(state=state).set(count)
            metrics.queue_age.set(arrivals.last_wait if depth["waiting"] else 0.0)
        await asyncio.sleep(_PAUSE_SECONDS)
