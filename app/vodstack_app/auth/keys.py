"""An issuer's keys, kept so that a token costs no request, a new key is found at once, and an outage is survived."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import structlog

from vodstack_app.errors import UnavailableError

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FRESH_SECONDS = 600.0
# A key that the issuer may have withdrawn meanwhile is trusted no longer than this.
STALE_SECONDS = 24 * 3600.0
# How often tokens with keys nobody knows can make us ask, and how often a silent issuer is asked.
COOL_DOWN_SECONDS = 30.0
SMALLEST_RSA_BITS = 2048

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
# All are asymmetric: with a shared secret, whoever checks tokens could make them.
_ALGORITHMS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}


@dataclass(frozen=True)
class Key:
    """A public key and the algorithms that it may be used with."""

    kid: str
    public_key: Any
    algorithms: tuple[str, ...]


def parse_key(jwk: Mapping[str, object]) -> Key | None:
    """The key of one entry of a key set; None for one that signs no tokens, or none that we would trust."""
    kid, kind, curve = jwk.get("kid"), str(jwk.get("kty")), str(jwk.get("crv") or "")
    algorithms = _ALGORITHMS.get((kind, curve), ())
    if named := jwk.get("alg"):
        algorithms = tuple(algorithm for algorithm in algorithms if algorithm == named)
    if not isinstance(kid, str) or not kid or not algorithms or jwk.get("use", "sig") != "sig":
        return None
    try:
        public_key: Any = jwt.PyJWK(dict(jwk), algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if hasattr(public_key, "private_bytes") or (kind == "RSA" and public_key.key_size < SMALLEST_RSA_BITS):
        return None
    return Key(kid, public_key, algorithms)


class IssuerKeys:
    """Finds keys by id. One refresh runs at a time, whoever asks."""

    def __init__(
        self, fetch: Callable[[], Awaitable[dict[str, Key]]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._fetched_at = float("-inf")
        self._next_refresh = float("-inf")
        self._next_search = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> Key | None:
        """The key with this id, or None where the issuer has none. Raises UnavailableError where nobody can tell."""
        age = self._clock() - self._fetched_at
        if kid in self._keys and age < STALE_SECONDS:
            if age >= FRESH_SECONDS and self._clock() >= self._next_refresh:
                self._refresh()
            return self._keys[kid]
        await self._search()
        if self._clock() - self._fetched_at >= STALE_SECONDS:
            raise UnavailableError("The issuer of tokens does not answer. Try again in a moment.")
        return self._keys.get(kid)

    async def _search(self) -> None:
        if self._refreshing is None:
            if self._clock() < self._next_search:
                return
            self._next_search = self._clock() + COOL_DOWN_SECONDS
        # A client that goes away must not take the others' refresh with it.
        await asyncio.shield(self._refresh())

    def _refresh(self) -> asyncio.Task[None]:
        if self._refreshing is None:
            self._next_refresh = self._clock() + COOL_DOWN_SECONDS
            self._refreshing = asyncio.create_task(self._replace_keys())
        return self._refreshing

    async def _replace_keys(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched_at = self._clock()
        except Exception as error:  # noqa: BLE001 - whatever an issuer does, the keys that are known go on working
            log.warning("issuer's keys not refreshed", cause=repr(error))
        finally:
            self._refreshing = None
