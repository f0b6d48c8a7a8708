"""What /openapi.json says beyond what the handlers' signatures say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.openapi.spec.base import BaseSchemaObject

from vodstack_app.errors import (
    AppError,
    BadRequestError,
    InsufficientScopeError,
    InvalidTokenError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from vodstack_app.problem_details import PROBLEM_MEDIA_TYPE, TYPE_PREFIX, Problem

REFUSALS = (UnauthenticatedError, InvalidTokenError, InsufficientScopeError, TooManyRequestsError)
EXAMPLE_INSTANCE = "/videos"


@dataclass
class Verbatim(BaseSchemaObject):
    """An example's value as it is: Litestar leaves out what is null."""

    content: object

    def to_schema(self) -> Any:
        return self.content


def problems(*errors: type[AppError], public: bool = False) -> dict[int, ResponseSpec]:
    """The problem details that an operation may answer with, by status; also to whom it does not let in."""
    by_status: dict[int, list[type[AppError]]] = {}
    # Any request may have a query parameter that nobody takes.
    for error in dict.fromkeys((*errors, BadRequestError, *(() if public else REFUSALS))):
        by_status.setdefault(error.status, []).append(error)
    return {status: _response(kinds) for status, kinds in by_status.items()}


def _response(kinds: Sequence[type[AppError]]) -> ResponseSpec:
    return ResponseSpec(
        data_container=Problem,
        generate_examples=False,
        description="; ".join(f"{kind.title} (`{kind.name}`)" for kind in kinds),
        media_type=PROBLEM_MEDIA_TYPE,
        examples=[Example(summary=kind.name, value=_example(kind)) for kind in kinds],
    )


def _example(kind: type[AppError]) -> dict[str, object]:
    return {
        "type": TYPE_PREFIX + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": f"{kind.title}.",
        "instance": EXAMPLE_INSTANCE,
    }
