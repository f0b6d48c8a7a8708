"""The one place where any error becomes a problem detail (RFC 9457)."""

from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from msgspec import UNSET, Struct, UnsetType, structs

from vodstack_app.errors import AppError, BadRequestError, FieldFault, NotFoundError, TooLargeError
from vodstack_app.methods import with_head
from vodstack_app.validation import explain, summary

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PROBLEM_MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:vodstack:problem:"


class Problem(Struct, frozen=True, omit_defaults=True):
    """An error as every client sees it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldFault] | UnsetType = UNSET


# The router's own errors, and those that Litestar raises before a handler of ours runs.
BY_STATUS: dict[int, tuple[str, str]] = {
    400: (BadRequestError.name, BadRequestError.title),
    404: (NotFoundError.name, NotFoundError.title),
    405: ("method-not-allowed", "The path does not take this method"),
    413: (TooLargeError.name, TooLargeError.title),
}


def problem_response(
    request: Request[Any, Any, Any],
    status: int,
    name: str,
    title: str,
    detail: str,
    *,
    faults: list[FieldFault] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    problem = Problem(
        type=TYPE_PREFIX + name,
        title=title,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=faults or UNSET,
    )
    content: Any = {key: value for key, value in structs.asdict(problem).items() if value is not UNSET}
    return Response(content, status_code=status, headers=headers, media_type=PROBLEM_MEDIA_TYPE)


def _answer_app_error(request: Request[Any, Any, Any], error: AppError) -> Response[Any]:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request failed", error=error.name, cause=repr(error.__cause__))
    return problem_response(
        request,
        error.status,
        error.name,
        error.title,
        error.detail,
        faults=error.faults,
        headers=error.answer_headers(),
    )


def _answer_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _answer_unexpected(request, error)
    phrase = HTTPStatus(error.status_code).phrase
    name, title = BY_STATUS.get(error.status_code, (phrase.lower().replace(" ", "-"), phrase))
    headers = dict(error.headers or {})
    if isinstance(error, ValidationException):
        faults = _faults(request, error)
        detail = summary(faults) or title
        return problem_response(request, error.status_code, name, title, detail, faults=faults, headers=headers)
    detail = _routing_detail(error, headers) or error.detail or title
    return problem_response(request, error.status_code, name, title, detail, headers=headers)


def _routing_detail(error: HTTPException, headers: dict[str, str]) -> str:
    """What the router leaves out: where to look, and what a path takes."""
    if isinstance(error, NotFoundException):
        return "There is no such path. See /docs for those that there are."
    if isinstance(error, MethodNotAllowedException):
        return f"This path takes {', '.join(with_head(headers.get('allow', '').split(', ')))}. See /docs."
    return ""


def _faults(request: Request[Any, Any, Any], error: ValidationException) -> list[FieldFault]:
    """The fields that Litestar names, without the request's URL that it names as well."""
    named = error.extra if isinstance(error.extra, list) else []
    return [
        FieldFault(str(fault["key"]), explain(str(fault["message"]), _choices(request, fault["key"])))
        for fault in named
        if "key" in fault
    ]


def _choices(request: Request[Any, Any, Any], name: str) -> list[str]:
    """The values that a parameter may have, where it is one of a few words."""
    parameter = request.route_handler.parsed_fn_signature.parameters.get(name)
    kinds = (parameter, *parameter.inner_types) if parameter else ()
    return [str(word) for kind in kinds if kind.is_literal for word in kind.args]


def _answer_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("unexpected error", exc_info=error)
    detail = "This is a fault of the server. The response's X-Request-ID finds it in the logs."
    return problem_response(request, AppError.status, AppError.name, AppError.title, detail)


def exception_handlers() -> dict[int | type[Exception], Any]:
    return {AppError: _answer_app_error, HTTPException: _answer_http_error, Exception: _answer_unexpected}
