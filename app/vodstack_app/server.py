"""The HTTP server, and how it leaves."""

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn

from vodstack_app.asgi import create_app
from vodstack_app.connections.connection import Connection
from vodstack_app.connections.limits import limits_of
from vodstack_app.connections.registry import Registry
from vodstack_app.health.readiness import Readiness
from vodstack_app.health.routes import create_watched_app
from vodstack_app.metrics import Metrics
from vodstack_app.safety import SAFETY_HEADERS
from vodstack_app.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048


class Server(uvicorn.Server):
    """uvicorn, with a readiness that turns red at the signal, and a second server for probes and metrics."""

    def __init__(self, settings: Settings, watched: socket.socket | None = None) -> None:
        self.readiness = Readiness()
        self._watched = watched
        self._watching: asyncio.Task[None] | None = None
        metrics = Metrics()
        self._watched_server = _WatchedServer(
            _config(create_watched_app(self.readiness, metrics), settings, Registry(limits_of(settings), Metrics()))
        )
        app = create_app(settings, self.readiness, metrics)
        super().__init__(_config(app, settings, Registry(limits_of(settings), metrics)))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._watched:
            self._watching = asyncio.create_task(self._watched_server.serve([self._watched]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # To the end: probes that go unanswered would cut short the uploads that are waited for.
        if self._watching:
            self._watched_server.should_exit = True
            await self._watching

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave on the first signal, at once on a second SIGINT.

        uvicorn's own handler would raise the signal again at the end; a clean end is exit code 0 here.
        """
        del frame
        self.readiness.drain()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


class _WatchedServer(uvicorn.Server):
    """Ends when the other one does, which alone listens to signals."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _config(app: Any, settings: Settings, registry: Registry) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", partial(Connection, registry=registry)),
        # A connection of another protocol would know none of the limits.
        ws="none",
        headers=list(SAFETY_HEADERS.items()),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
    )


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on. Raises OSError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
