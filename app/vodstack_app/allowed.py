"""Answers OPTIONS with every method of a path: Litestar's own answer knows only the handler that came first."""

from collections.abc import Sequence

from litestar import HttpMethod, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.status_codes import HTTP_204_NO_CONTENT


def options_handlers(handlers: Sequence[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """One for each path of theirs."""
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, {HttpMethod.OPTIONS.value}).update(map(str, handler.http_methods))
    return [_options_handler(path, allowed) for path, allowed in methods.items()]


def _options_handler(path: str, allowed: set[str]) -> HTTPRouteHandler:
    @route(path, http_method=HttpMethod.OPTIONS, status_code=HTTP_204_NO_CONTENT, include_in_schema=False)
    async def tell_methods() -> Response[None]:
        return Response(None, headers={"Allow": ", ".join(sorted(allowed))})

    return tell_methods
