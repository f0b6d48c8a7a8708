"""Refuses query parameters that a route does not know: one that is passed over looks like one that works."""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import QueryParameter

from vodstack_app.errors import BadRequestError, FieldFault
from vodstack_app.validation import summary

_BODIES = frozenset({"POST", "PATCH"})
_SHOWN_NAME_LIMIT = 100
_SHOWN_FAULTS_LIMIT = 10
_PARAMETERS_LIMIT = 100


async def require_known_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """For the app as a whole, after the gate. Raises BadRequestError, which names the nearest known parameter."""
    # A browser's preflight has the query of the request that it asks about.
    if not connection.scope["query_string"] or not isinstance(handler, HTTPRouteHandler) or _is_options(handler):
        return
    query = connection.scope["query_string"].decode("latin-1")
    if query.count("&") >= _PARAMETERS_LIMIT:
        raise BadRequestError(f"Send fewer than {_PARAMETERS_LIMIT} query parameters.")
    given = Counter(name for name, _ in parse_qsl(query, keep_blank_values=True))
    if faults := [*islice(_faults(given, known_parameters(handler), handler), _SHOWN_FAULTS_LIMIT)]:
        raise BadRequestError(summary(faults), faults=faults)


def known_parameters(handler: HTTPRouteHandler) -> list[str]:
    """The query parameters that a handler takes, by the names that clients give them."""
    definitions = {name: field.kwarg_definition for name, field in handler.parsed_fn_signature.parameters.items()}
    return [each.name or name for name, each in definitions.items() if isinstance(each, QueryParameter)]


def _faults(given: Counter[str], known: Sequence[str], handler: HTTPRouteHandler) -> Iterator[FieldFault]:
    for name, count in given.items():
        if name not in known:
            yield FieldFault(name[:_SHOWN_NAME_LIMIT], _advice(name, known, handler))
        elif count > 1:
            yield FieldFault(name, f"It is there {count} times; send it once.")


def _advice(name: str, known: Sequence[str], handler: HTTPRouteHandler) -> str:
    if not known:
        place = " Fields go into the body." if _BODIES & {str(method) for method in handler.http_methods} else ""
        return f"There is no such query parameter; this takes none.{place}"
    by_small_letters = {each.lower(): each for each in known}
    nearest = get_close_matches(name[:_SHOWN_NAME_LIMIT].lower(), by_small_letters, n=1)
    guess = f" Did you mean `{by_small_letters[nearest[0]]}`?" if nearest else ""
    return f"There is no such query parameter.{guess} There are {', '.join(known)}."


def _is_options(handler: HTTPRouteHandler) -> bool:
    return "OPTIONS" in {str(method) for method in handler.http_methods}
