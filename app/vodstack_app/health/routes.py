from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from vodstack_app.auth.gate import NO_TOKEN, PUBLIC
from vodstack_app.documentation import problems
from vodstack_app.errors import UnavailableError
from vodstack_app.services import Services


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
async def check_readiness(services: NamedDependency[Services]) -> HealthView:
    """Whether the bucket and the table answer, and the process is not leaving."""
    if fault := await services.readiness.fault():
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
async def get_metrics(services: NamedDependency[Services]) -> Response[bytes]:
    """Prometheus text format."""
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)
