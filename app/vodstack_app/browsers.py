"""What pages of other origins may ask of the API, and read of its answers."""

from collections.abc import Sequence

from litestar.config.cors import CORSConfig

# In small letters, for Litestar compares them so.
ASKED_HEADERS = ["authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id", "traceparent"]
READ_HEADERS = [
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
]
PREFLIGHT_LIFE_SECONDS = 3600


def allow_browsers(origins: Sequence[str]) -> CORSConfig | None:
    """None lets no page of another origin in. Tokens travel in a header, so cookies are never allowed."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=ASKED_HEADERS,
        expose_headers=READ_HEADERS,
        max_age=PREFLIGHT_LIFE_SECONDS,
    )
