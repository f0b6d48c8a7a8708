"""Answers that a connection gives by itself, where no request was read that the app could answer."""

import json
from http import HTTPStatus

from vodstack_app.errors import (
    AppError,
    BadRequestError,
    HeadTooLargeError,
    RequestTimeoutError,
    TooManyAtOnceError,
    UnavailableError,
)
from vodstack_app.problem_details import PROBLEM_MEDIA_TYPE, TYPE_PREFIX
from vodstack_app.safety import SAFETY_HEADERS


def answer_of(error: AppError) -> bytes:
    """Return the whole of a HTTP answer, after which the connection closes."""
    problem = {
        "type": TYPE_PREFIX + error.name,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": "",
    }
    body = json.dumps(problem).encode()
    headers = {
        "Content-Type": PROBLEM_MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **SAFETY_HEADERS,
        **error.answer_headers(),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n{lines}\r\n".encode() + body


def malformed() -> bytes:
    return answer_of(BadRequestError("This is no HTTP/1.1 request."))


def head_too_large(headers: int, limit_bytes: int) -> bytes:
    return answer_of(HeadTooLargeError(f"Send {headers} headers at most, and {limit_bytes} bytes of them."))


def framing_too_large() -> bytes:
    return answer_of(
        BadRequestError("The body has more framing than content. Send chunks of some hundred bytes at least.")
    )


def late(seconds: float) -> bytes:
    return answer_of(RequestTimeoutError(f"The request's head did not end within {seconds:g} seconds."))


def too_many_of_address(limit: int) -> bytes:
    return answer_of(TooManyAtOnceError(f"One address may have {limit} connections. Close some, and try again."))


def too_many() -> bytes:
    return answer_of(UnavailableError("This process holds as many connections as it may. Try again in a moment."))
