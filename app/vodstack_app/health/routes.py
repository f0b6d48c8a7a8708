import asyncio
from dataclasses import dataclass

from litestar import Litestar, MediaType, Response, get
from litestar.di import NamedDependency, Provide
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from vodstack_app.auth.gate import NO_TOKEN, PUBLIC
from vodstack_app.documentation import problems
from vodstack_app.errors import UnavailableError
from vodstack_app.health.readiness import Readiness
from vodstack_app.metrics import Metrics
from vodstack_app.problem_details import exception_handlers


@dataclass(frozen=True)
class Health:
    """What the process knows of itself."""

    readiness: Readiness
    metrics: Metrics


class HealthView(Struct, frozen=True):
    """The process answers."""

    status: str


@get(
    "/livez",
    operation_id="checkLiveness",
    summary="Is the process alive?",
    response_description="The process answers",
    tags=["health"],
    opt=PUBLIC,
    security=NO_TOKEN,
    responses=problems(public=True),
)
async def check_liveness() -> HealthView:
    """Asks nothing of AWS: an outage there must not restart every process here."""
    return HealthView("alive")


@get(
    "/readyz",
    operation_id="checkReadiness",
    summary="Should it get requests?",
    response_description="Requests are welcome",
    tags=["health"],
    opt=PUBLIC,
    security=NO_TOKEN,
    responses=problems(UnavailableError, public=True),
)
async def check_readiness(health: NamedDependency[Health]) -> HealthView:
    """Whether the bucket and the table answer, and the process is not leaving."""
    if fault := await health.readiness.fault():
        raise UnavailableError(fault)
    return HealthView("ready")


@get(
    "/metrics",
    operation_id="getMetrics",
    summary="Figures for Prometheus",
    response_description="The figures as they stand",
    tags=["health"],
    opt=PUBLIC,
    security=NO_TOKEN,
    media_type=MediaType.TEXT,
    responses=problems(public=True),
)
async def get_metrics(health: NamedDependency[Health]) -> Response[bytes]:
    """Prometheus text format. Where `VODSTACK_METRICS_PORT` is set, as in every stack, they are on that port alone."""
    # A process of some age has thousands of lines, and writing them takes longer than others should wait.
    text = await asyncio.to_thread(generate_latest, health.metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


WATCHED = (check_liveness, check_readiness, get_metrics)


def provide_health(readiness: Readiness, metrics: Metrics) -> dict[str, Provide]:
    """The dependency of these handlers."""
    return {"health": Provide(lambda: Health(readiness, metrics), sync_to_thread=False)}


def create_watched_app(readiness: Readiness, metrics: Metrics) -> Litestar:
    """What probes and Prometheus ask, as an app for a port of its own."""
    return Litestar(
        route_handlers=WATCHED,
        dependencies=provide_health(readiness, metrics),
        exception_handlers=exception_handlers(),
        openapi_config=None,
        logging_config=None,
    )
