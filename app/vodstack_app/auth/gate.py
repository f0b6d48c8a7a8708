"""Lets a request in or not, before anything of it is read. What is not marked public needs a token."""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import SecurityScheme

from vodstack_app.auth.issuer import fetch_keys
from vodstack_app.auth.keys import IssuerKeys
from vodstack_app.auth.tokens import Token, TokenCheck, TokenRules
from vodstack_app.errors import InsufficientScopeError, InvalidTokenError, UnauthenticatedError
from vodstack_app.identity import EVERYBODY, Identity
from vodstack_app.settings import Settings

Connection = ASGIConnection[Any, Any, Any, Any]
Check = Callable[[str], Awaitable[Token]]

#: A handler's or router's `opt` for what everyone may ask, tokens or not.
PUBLIC = {"public": True}
#: Its `security`, for the description.
NO_TOKEN: list[dict[str, list[str]]] = [{}]
#: Likewise for a GET whose answer lets one write.
WRITING = {"writing": True}
SECURITY_SCHEME = "token"
BEARER_TOKEN = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
_READING = frozenset({"GET", "HEAD"})
_SCHEME = "bearer"


class Scope(StrEnum):
    """What a token may allow; `ADMIN` allows everything, on everybody's videos."""

    READ = "videos:read"
    WRITE = "videos:write"
    ADMIN = "videos:admin"


class Gate:
    """Tells who asks. Without a check of tokens, which config must say in so many words, everyone is let in."""

    def __init__(self, check: Check | None, scope_prefix: str = "") -> None:
        self._check = check
        self._prefix = scope_prefix

    async def identify(self, needed: Scope, credentials: list[str]) -> Identity:
        """The identity behind these Authorization headers, if it has the scope that is needed.

        Raises UnauthenticatedError, InvalidTokenError, InsufficientScopeError or UnavailableError.
        """
        if self._check is None:
            return EVERYBODY
        token = await self._check(_bearer_token(credentials))
        is_admin = self._named(Scope.ADMIN) in token.scopes
        if not is_admin and self._named(needed) not in token.scopes:
            raise InsufficientScopeError(self._named(needed))
        return Identity(owner=token.subject, sees_all=is_admin, ends_at=token.ends_at)

    def _named(self, scope: Scope) -> str:
        return f"{self._prefix}{scope}"


def build_gate(settings: Settings) -> Gate:
    if settings.auth == "none":
        return Gate(None)
    rules = TokenRules(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        client_ids=frozenset(settings.oidc_client_ids),
        leeway_seconds=settings.oidc_leeway_seconds,
    )
    keys = IssuerKeys(partial(fetch_keys, settings.oidc_issuer))
    return Gate(TokenCheck(keys, rules), settings.oidc_scope_prefix)


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """For the app as a whole: it runs before dependencies are made and before a body is read."""
    method = str(cast("Mapping[str, object]", connection.scope)["method"])
    if handler.opt.get("public") or method == "OPTIONS":
        return
    services = connection.app.state["services"]
    gate: Gate = services.gate
    needed = Scope.READ if method in _READING and not handler.opt.get("writing") else Scope.WRITE
    identity = await gate.identify(needed, connection.headers.getall("authorization", []))
    await services.rates.spend(identity.owner)
    connection.state.identity = identity


def _bearer_token(credentials: list[str]) -> str:
    if not credentials:
        raise UnauthenticatedError("Send an access token in the Authorization header: Bearer, a space, the token.")
    scheme, _, token = credentials[0].partition(" ")
    if len(credentials) > 1 or scheme.lower() != _SCHEME or not token.strip().isascii() or not token.strip():
        raise InvalidTokenError("Send one Authorization header: Bearer, a space, the token.")
    return token.strip()
