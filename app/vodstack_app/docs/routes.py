from typing import Any

from litestar import MediaType, Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin

from vodstack_app.auth.gate import PUBLIC
from vodstack_app.docs.page import render_page

DOCS_PATH = "/docs"
# What the page itself promises, the browser enforces.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class DocsPage(OpenAPIRenderPlugin):
    """The page at /docs. Litestar's own renderers load theirs from other hosts."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        del request
        return render_page(openapi_schema).encode()


@get("/openapi.json", include_in_schema=False, opt=PUBLIC, media_type=MediaType.JSON)
async def get_openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return request.app.openapi_schema.to_schema()


def docs_router() -> Router:
    return Router(
        DOCS_PATH,
        route_handlers=[],
        include_in_schema=False,
        opt=PUBLIC,
        after_request=_refuse_unknown_pages,
        response_headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY},
    )


async def _refuse_unknown_pages(response: Response[Any]) -> Response[Any]:
    # Litestar adds a handler to this router that answers unknown pages in HTML; here errors have one form.
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
