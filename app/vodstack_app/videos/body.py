"""A request's body as it comes in over the wire."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast

import multipart
from litestar import Request
from litestar.exceptions import InternalServerException

from vodstack_app.errors import (
    ClientGoneError,
    SlowClientError,
    UnsupportedEncodingError,
    UnsupportedTypeError,
    UploadError,
)

MULTIPART = "multipart/form-data"
_SHOWN_CODING_LIMIT = 100
_parse_header: Callable[[str], object] = vars(multipart)["parse_options_header"]  # it has no types of its own


def read_boundary(content_type: str) -> str:
    """The boundary that an upload's Content-Type names. Raises UnsupportedTypeError or UploadError."""
    media_type, options = cast("tuple[str, dict[str, str]]", _parse_header(content_type))
    if media_type != MULTIPART:
        raise UnsupportedTypeError(f"Send {MULTIPART} with a part named `file`, as in `curl -F file=@clip.mp4`.")
    if not options.get("boundary"):
        raise UploadError("The Content-Type names no boundary.")
    return options["boundary"]


def require_plain(request: Request[Any, Any, Any]) -> None:
    """Raise UnsupportedEncodingError for a body that is compressed, before a byte of it is read."""
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise UnsupportedEncodingError(
            f"The body has the Content-Encoding {coding[:_SHOWN_CODING_LIMIT]}. Send it as it is, without that header."
        )


@dataclass(frozen=True, kw_only=True)
class Patience:
    """What a client is given for an upload: seconds without a byte, and a least rate after a while."""

    silence_seconds: float
    least_bytes_per_second: int
    grace_seconds: float


async def read_body(request: Request[Any, Any, Any], patience: Patience) -> AsyncIterator[bytes]:
    """The body's chunks. Raises SlowClientError for a client that is too slow, ClientGoneError when it leaves."""
    stream = request.stream()
    # Seconds that the client may still keep us waiting. Bytes earn some, up to the grace, so that a fast start buys no
    # slow end.
    left = patience.grace_seconds
    while True:
        started = time.monotonic()
        try:
            async with asyncio.timeout(min(patience.silence_seconds, left)):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise _too_slow(patience, left) from error
        except InternalServerException as error:
            raise ClientGoneError("The client went away before its upload was complete.") from error
        left -= time.monotonic() - started
        left = min(patience.grace_seconds, left + len(chunk) / patience.least_bytes_per_second)
        if chunk:
            yield chunk


def _too_slow(patience: Patience, left: float) -> SlowClientError:
    if patience.silence_seconds <= left:
        return SlowClientError(f"No byte of the body came for {patience.silence_seconds:g} seconds.")
    return SlowClientError(
        f"The body came slower than {patience.least_bytes_per_second} bytes a second for {patience.grace_seconds:g} "
        "seconds. On a slow line send the file in parts, by POST /uploads."
    )
