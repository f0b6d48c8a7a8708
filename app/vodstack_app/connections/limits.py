"""What a connection may take of the process."""

from dataclasses import dataclass

from vodstack_app.settings import Settings

HEADERS_LIMIT = 100
# No client of today sends requests before earlier ones are answered; a few are served in their order all the same.
PIPELINED_LIMIT = 16
# What is parsed in one go: heads and chunks cost a call for each of their lines, bodies of a known length none.
PIECE_BYTES = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """Bytes, seconds and numbers; each is a setting."""

    connections: int
    connections_per_address: int
    head_bytes: int
    request_seconds: float
    drain_seconds: float
    least_bytes_per_second: int
    grace_seconds: float
    unsent_bytes: int


def limits_of(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(
        connections=settings.max_connections,
        connections_per_address=settings.max_connections_of_one,
        head_bytes=settings.max_head_bytes,
        request_seconds=settings.request_timeout_seconds,
        drain_seconds=settings.drain_seconds,
        least_bytes_per_second=settings.least_rate_bytes,
        grace_seconds=settings.rate_grace_seconds,
        unsent_bytes=settings.unsent_bytes,
    )
