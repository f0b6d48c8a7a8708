"""`python -m vodstack_app`: serve the API until SIGTERM or SIGINT."""

import gc
import socket
import sys

import structlog

from vodstack_app.logs import configure_logs
from vodstack_app.server import Server, listen
from vodstack_app.settings import SettingsError, read_settings

EXIT_CONFIGURATION = 2
EXIT_FAILURE = 1

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class _Process(Server):
    """The server where it has a process to itself."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is there from the start stays: a full collection that looks through it takes a tenth of a second, in
        # which nobody is served.
        gc.collect()
        gc.freeze()


def main() -> int:
    try:
        settings = read_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIGURATION
    configure_logs(settings)
    listeners: list[socket.socket] = []
    ports = [settings.port] if settings.metrics_port is None else [settings.port, settings.metrics_port]
    for port in ports:
        try:
            listeners.append(listen(settings.host, port))
        except OSError as error:
            sys.stderr.write(f"The API cannot listen on {settings.host} port {port}: {error.strerror}.\n")
            return EXIT_FAILURE
    listener, *watched = listeners
    host, port = listener.getsockname()[:2]
    watched_at = {"metrics_port": watched[0].getsockname()[1]} if watched else {}
    log.info("listening", host=host, port=port, auth=settings.auth, **watched_at)
    server = _Process(settings, *watched)
    server.run(sockets=[listener])
    return 0 if server.started else EXIT_FAILURE


if __name__ == "__main__":
    sys.exit(main())
