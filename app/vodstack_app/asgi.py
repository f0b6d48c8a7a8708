"""The API's composition root."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Server

from vodstack_app.auth.gate import BEARER_TOKEN, SECURITY_SCHEME, guard
from vodstack_app.aws import open_clients
from vodstack_app.browsers import Preflights, allow_browsers
from vodstack_app.docs.routes import Description, DocsPage, docs_router, get_openapi
from vodstack_app.events.routes import watch_video
from vodstack_app.fair_use.in_flight import InFlight
from vodstack_app.fair_use.places import Places
from vodstack_app.health.readiness import Readiness
from vodstack_app.health.routes import check_liveness, check_readiness, get_metrics, provide_health
from vodstack_app.identity import provide_identity
from vodstack_app.methods import Heads, options_handlers
from vodstack_app.metrics import Metrics
from vodstack_app.observation import Observation
from vodstack_app.parameters import require_known_parameters
from vodstack_app.playback.routes import play_video
from vodstack_app.problem_details import exception_handlers
from vodstack_app.services import STATE_KEY, build_services, provide_services
from vodstack_app.settings import Settings
from vodstack_app.tracing import Tracing
from vodstack_app.uploads.routes import abort_upload, complete_upload, get_upload, start_upload
from vodstack_app.videos.form import FORM_OVERHEAD_BYTES
from vodstack_app.videos.routes import delete_video, edit_video, get_video, list_videos, upload_video

DESCRIPTION = """\
Post a video; get a playable stream and what is in it.

Every path that answers GET answers HEAD with the same status and headers and no body. A query parameter that an
operation does not name is answered 400 with the nearest one that it does. Errors are problem details (RFC 9457).
"""
# For uploads that the server has cancelled because they outlived its grace.
UNDO_PATIENCE_SECONDS = 5.0
ROUTES = (
    upload_video,
    list_videos,
    get_video,
    edit_video,
    delete_video,
    watch_video,
    play_video,
    start_upload,
    get_upload,
    complete_upload,
    abort_upload,
    check_liveness,
    check_readiness,
    get_metrics,
    get_openapi,
)


def create_app(settings: Settings, readiness: Readiness, metrics: Metrics) -> Observation:
    """The whole API as an ASGI app. `readiness` and `metrics` are shared with the server, which has a part in both."""
    tracing = Tracing()
    app = create_router(settings, readiness, metrics, tracing)
    answering = Heads(Preflights(app) if settings.cors_origins else app)
    places = Places("requests", "answered", settings.max_connections, settings.max_connections_of_one)
    is_public_tls = settings.public_url.startswith("https://")
    return Observation(InFlight(answering, places), metrics, tracing, is_public_tls=is_public_tls)


def create_router(settings: Settings, readiness: Readiness, metrics: Metrics, tracing: Tracing) -> Litestar:
    """The handlers, the errors and the description of them all."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        async with open_clients(settings) as clients:
            services = build_services(settings, metrics, readiness, clients)
            app.state[STATE_KEY] = services
            services.deletions.start()
            yield
            await services.deletions.leave()
            await services.intake.settle(UNDO_PATIENCE_SECONDS)
        await asyncio.to_thread(tracing.close)

    # On a port of their own metrics are not here: whatever leads clients to this one would show them.
    routes = [route for route in ROUTES if settings.metrics_port is None or route is not get_metrics]
    return Litestar(
        route_handlers=[*options_handlers(routes), *routes],
        guards=[guard, require_known_parameters],
        lifespan=[lifespan],
        dependencies={
            "services": Provide(provide_services, sync_to_thread=False),
            "identity": Provide(provide_identity, sync_to_thread=False),
            **provide_health(readiness, metrics),
        },
        exception_handlers=exception_handlers(),
        request_max_body_size=settings.max_upload_bytes + FORM_OVERHEAD_BYTES,
        openapi_config=_describe_api(settings),
        cors_config=allow_browsers(settings.cors_origins),
        logging_config=None,
    )


def _describe_api(settings: Settings) -> OpenAPIConfig:
    asks = settings.auth != "none"
    return OpenAPIConfig(
        title="vodstack",
        version=version("vodstack-app"),
        description=DESCRIPTION,
        servers=[Server(url="/")],
        components=Components(security_schemes={SECURITY_SCHEME: BEARER_TOKEN} if asks else {}),
        security=[{SECURITY_SCHEME: []}] if asks else None,
        use_handler_docstrings=True,
        render_plugins=[DocsPage(), Description()],
        openapi_router=docs_router(),
    )
