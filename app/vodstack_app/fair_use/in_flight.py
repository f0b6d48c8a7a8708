"""How many requests of one address are answered at a time, where a proxy's connections are many clients'."""

from typing import Any

from litestar import Request
from litestar.types import ASGIApp, Receive, Scope, Send

from vodstack_app.errors import AppError
from vodstack_app.fair_use.places import Places
from vodstack_app.problem_details import problem_response


class InFlight:
    """Stands around the app. The address is the one that a trusted proxy names, else the connection's own."""

    def __init__(self, app: ASGIApp, places: Places) -> None:
        self._app = app
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope["client"]
        try:
            with self._places.taken(client[0] if client else ""):
                await self._app(scope, receive, send)
        except AppError as error:
            # None comes out of the app, which answers its own.
            request: Request[Any, Any, Any] = Request(scope)
            answer = problem_response(
                request, error.status, error.name, error.title, error.detail, headers=error.answer_headers()
            )
            await answer.to_asgi_response(app=None, request=request)(scope, receive, send)
