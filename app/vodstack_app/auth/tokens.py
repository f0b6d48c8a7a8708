"""What a bearer token says, once it is certain that the issuer said it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import jwt

from vodstack_app.auth.keys import IssuerKeys
from vodstack_app.auth.proven import Proven
from vodstack_app.errors import InvalidTokenError
from vodstack_app.validation import is_text

TOKEN_LIMIT_BYTES = 8 * 1024
SUBJECT_LIMIT = 255
REQUIRED_CLAIMS = ("exp", "iss", "sub")

_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "The token has expired."),
    (jwt.ImmatureSignatureError, "The token is not valid yet."),
    (jwt.InvalidIssuedAtError, "The token is not valid yet."),
    (jwt.InvalidAudienceError, "The token is meant for another audience."),
    (jwt.InvalidIssuerError, "The token is another issuer's."),
    (jwt.MissingRequiredClaimError, "The token lacks a claim that it must have."),
    (jwt.InvalidAlgorithmError, "The token is signed by an algorithm that its key is not for."),
    (jwt.InvalidSignatureError, "The token's signature does not match."),
)


@dataclass(frozen=True)
class TokenRules:
    """Whose tokens are taken, and for whom they must be made: an audience, client ids, or both."""

    issuer: str
    audience: str
    client_ids: frozenset[str]
    leeway_seconds: float


@dataclass(frozen=True)
class Token:
    """A token that was checked."""

    subject: str
    scopes: frozenset[str]
    ends_at: float


class TokenCheck:
    """Checks tokens against an issuer's keys and the rules."""

    def __init__(self, keys: IssuerKeys, rules: TokenRules) -> None:
        self._keys = keys
        self._rules = rules
        self._proven = Proven[Token](keys)

    async def __call__(self, text: str) -> Token:
        """Raises InvalidTokenError, or UnavailableError where the issuer's keys are out of reach."""
        if len(text) > TOKEN_LIMIT_BYTES:
            raise InvalidTokenError(f"A token may have {TOKEN_LIMIT_BYTES} bytes.")
        if token := await self._proven.find(text):
            return token
        header = _attempt(lambda: jwt.get_unverified_header(text))
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise InvalidTokenError("The token's header names no key.")
        if "crit" in header:
            raise InvalidTokenError("The token needs an extension that is not known here.")
        key = await self._keys.find(kid)
        if key is None:
            raise InvalidTokenError("The issuer has no such key.")
        rules = self._rules
        claims = _attempt(
            lambda: jwt.decode(
                text,
                key.public_key,
                algorithms=list(key.algorithms),
                issuer=rules.issuer,
                audience=rules.audience or None,
                leeway=rules.leeway_seconds,
                options={"require": list(REQUIRED_CLAIMS), "verify_aud": bool(rules.audience)},
            )
        )
        self._check_client(claims)
        token = Token(subject=_subject(claims), scopes=_scopes(claims), ends_at=int(claims["exp"]))
        self._proven.keep(text, key, int(claims["exp"]) + rules.leeway_seconds, token)
        return token

    def _check_client(self, claims: dict[str, Any]) -> None:
        # An identity token tells a client who signed in; it is no key to an API.
        if claims.get("token_use", "access") != "access":
            raise InvalidTokenError("Send an access token.")
        allowed = self._rules.client_ids
        if allowed and claims.get("client_id", claims.get("azp")) not in list(allowed):
            raise InvalidTokenError("The token was made for another client.")


def _attempt(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return work()
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    """Raise InvalidTokenError with a sentence of our own: the library's may hold what the client sent."""
    sentences = (sentence for kind, sentence in _SENTENCES if isinstance(error, kind))
    raise InvalidTokenError(next(sentences, "The token is malformed.")) from error


def _subject(claims: dict[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LIMIT:
        raise InvalidTokenError(f"The token's subject must have 1 to {SUBJECT_LIMIT} characters.")
    # JSON may name half of a character, which no table and no log can hold.
    if not is_text(subject):
        raise InvalidTokenError("The token's subject is no text.")
    return subject


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """The scopes of RFC 9068's `scope`, or of `scp`, which some issuers write as a list."""
    given: object = claims.get("scope", claims.get("scp", ""))
    if isinstance(given, str):
        return frozenset(given.split())
    words = cast("list[object]", given) if isinstance(given, list) else []
    return frozenset(word for word in words if isinstance(word, str))
