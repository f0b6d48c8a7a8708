"""Answers that a client keeps and asks about again: 304 where nothing has changed."""

import hashlib
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import HTTP_304_NOT_MODIFIED

T = TypeVar("T")

# Kept by the client alone, and never shown without asking: a video's state changes at any moment.
CACHE_CONTROL = "private, no-cache"
NOT_MODIFIED = {
    HTTP_304_NOT_MODIFIED: ResponseSpec(data_container=None, description="What If-None-Match names is still so")
}


def entity_tag(*content: object) -> str:
    """A weak tag: of what the answer says, not of its bytes."""
    return f'W/"{hashlib.blake2b(msgspec.json.encode(content), digest_size=16).hexdigest()}"'


def is_current(request: Request[Any, Any, Any], tag: str) -> bool:
    """Whether the client already has what the tag stands for (RFC 9110, 13.1.2: weak comparison)."""
    known = [
        word.strip() for line in request.headers.getall("if-none-match", []) for word in line.split(",") if word.strip()
    ]
    return "*" in known or tag.removeprefix("W/") in {word.removeprefix("W/") for word in known}


def not_modified(tag: str) -> Response[Any]:
    return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers=_headers(tag))


def tagged(content: T, tag: str) -> Response[T]:
    return Response(content, headers=_headers(tag))


def url_period(now: float, lifetime_seconds: int) -> int:
    """What a tag holds in place of a presigned URL.

    Who is told to keep an answer keeps the URL in it, which must then have half of its time left.
    """
    return int(now) // (lifetime_seconds // 2)


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": CACHE_CONTROL}
