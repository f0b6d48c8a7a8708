"""A request's body as it comes in over the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable
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


async def read_body(request: Request[Any, Any, Any], silence_seconds: float) -> AsyncIterator[bytes]:
    """The body's chunks. Raises SlowClientError when the client falls silent, ClientGoneError when it leaves."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(silence_seconds):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise SlowClientError(f"No byte of the body came for {silence_seconds:g} seconds.") from error
        except InternalServerException as error:
            raise ClientGoneError("The client went away before its upload was complete.") from error
        if chunk:
            yield chunk
