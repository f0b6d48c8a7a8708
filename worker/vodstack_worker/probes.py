"""What Kubernetes and Prometheus ask the worker over HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from vodstack_worker.metrics import Metrics
from vodstack_worker.pulse import Pulse


def make_probes(metrics: Metrics, pulse: Pulse, stop: asyncio.Event) -> web.Application:
    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def show_liveness(_: web.Request) -> web.Response:
        silent = pulse.silent()
        return web.json_response({"alive": not silent, "silent": silent}, status=503 if silent else 200)

    async def show_readiness(_: web.Request) -> web.Response:
        ready = pulse.ready and not stop.is_set()
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    application = web.Application()
    application.add_routes(
        [web.get("/metrics", show_metrics), web.get("/livez", show_liveness), web.get("/readyz", show_readiness)]
    )
    return application


@asynccontextmanager
async def serve_probes(application: web.Application, host: str, port: int) -> AsyncGenerator[int]:
    """Serve while the block runs; gives the port, which matters where 0 was asked for. Raises OSError."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
