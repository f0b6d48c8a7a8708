"""The HTTP server, and how it leaves."""

import signal
import socket
from types import FrameType

import structlog
import uvicorn

from vodstack_app.asgi import create_app
from vodstack_app.connection import Connection
from vodstack_app.health.readiness import Readiness
from vodstack_app.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048


class Server(uvicorn.Server):
    """uvicorn, with a readiness that turns red at the signal."""

    def __init__(self, settings: Settings) -> None:
        self.readiness = Readiness()
        super().__init__(
            uvicorn.Config(
                create_app(settings, self.readiness),
                http=Connection,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.shutdown_grace_seconds,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave on the first signal, at once on a second SIGINT.

        uvicorn's own handler would raise the signal again at the end; a clean end is exit code 0 here.
        """
        del frame
        self.readiness.drain()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on. Raises OSError where the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
