import asyncio
from typing import Any, cast

from litestar import MediaType, Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin

from vodstack_app.auth.gate import PUBLIC
from vodstack_app.docs.page import CONTENT_SECURITY_POLICY, render_page
from vodstack_app.docs.served import describe_app
from vodstack_app.services import STATE_KEY, Services

DOCS_PATH = "/docs"
_PREPARED = "docs_prepared"


class DocsPage(OpenAPIRenderPlugin):
    """The page at /docs; docs/adr/0072-the-docs-page-sends-requests.md says why it is none of Litestar's own."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        del openapi_schema
        services: Services = request.app.state[STATE_KEY]
        address = services.settings.public_url or str(request.base_url).rstrip("/")
        return render_page(describe_app(request.app, services.settings), address).encode()


class Description(JsonRenderPlugin):
    """The same beside the page, in place of one that Litestar would add without our limits."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        del openapi_schema
        services: Services = request.app.state[STATE_KEY]
        return super().render(request, describe_app(request.app, services.settings))  # pyright: ignore[reportUnknownMemberType] - its request is of no type


@get("/openapi.json", include_in_schema=False, opt=PUBLIC, media_type=MediaType.JSON)
async def get_openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    services: Services = request.app.state[STATE_KEY]
    return await asyncio.to_thread(describe_app, request.app, services.settings)


def docs_router() -> Router:
    return Router(
        DOCS_PATH,
        route_handlers=[],
        include_in_schema=False,
        opt=PUBLIC,
        before_request=_prepare,
        after_request=_refuse_unknown_pages,
        response_headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY},
    )


async def _prepare(request: Request[Any, Any, Any]) -> None:
    """Make the page once on a thread: the first time takes a third of a second, each other one some milliseconds."""
    if request.app.state.get(_PREPARED) is None:
        services: Services = request.app.state[STATE_KEY]
        described = await asyncio.to_thread(describe_app, request.app, services.settings)
        await asyncio.to_thread(render_page, described, services.settings.public_url)
        # Litestar writes its own description before it asks for the page, which does not need it.
        litestars = cast("Any", request.app.plugins).get("OpenAPIPlugin")
        await asyncio.to_thread(litestars.provide_openapi_schema)
        request.app.state[_PREPARED] = True


async def _refuse_unknown_pages(response: Response[Any]) -> Response[Any]:
    # Litestar adds a handler to this router that answers unknown pages in HTML; here errors have one form.
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
