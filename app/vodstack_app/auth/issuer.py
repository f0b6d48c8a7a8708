"""Asks an issuer for its keys: the discovery document first, then the key set that it names."""

import asyncio
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import msgspec
from msgspec import Struct

from vodstack_app.auth.keys import Key, parse_key

DISCOVERY_PATH = "/.well-known/openid-configuration"
FETCH_SECONDS = 5.0
DOCUMENT_LIMIT_BYTES = 256 * 1024
KEYS_LIMIT = 100
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class IssuerError(Exception):
    """The issuer does not answer, or not as an issuer does."""


class _Discovery(Struct):
    issuer: str
    jwks_uri: str


class _KeySet(Struct):
    keys: list[dict[str, object]]


def is_trustworthy(url: str) -> bool:
    """Whether nobody on the way can change what comes from there: TLS, or this machine itself."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


async def fetch_keys(issuer: str) -> dict[str, Key]:
    """The issuer's signing keys by id; what is no such key is passed over. Raises IssuerError."""
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with asyncio.timeout(FETCH_SECONDS), aiohttp.ClientSession(timeout=timeout) as session:
            document = await _get(session, issuer.rstrip("/") + DISCOVERY_PATH)
            discovery = msgspec.json.decode(document, type=_Discovery)
            _check(discovery, issuer)
            key_set = msgspec.json.decode(await _get(session, discovery.jwks_uri), type=_KeySet)
    except (aiohttp.ClientError, TimeoutError, ValueError, msgspec.DecodeError) as error:
        raise IssuerError(f"the issuer's keys cannot be read: {error!r}") from error
    keys = [key for jwk in key_set.keys[:KEYS_LIMIT] if (key := parse_key(jwk))]
    if not keys:
        raise IssuerError("the issuer's key set holds no key that can check a token")
    return {key.kid: key for key in keys}


def _check(discovery: _Discovery, issuer: str) -> None:
    if discovery.issuer != issuer:
        raise IssuerError(f"the discovery document is another issuer's: {discovery.issuer!r}")
    if not is_trustworthy(discovery.jwks_uri):
        raise IssuerError(f"the key set has no https address: {discovery.jwks_uri!r}")


async def _get(session: aiohttp.ClientSession, url: str) -> bytes:
    # A redirect could lead inside the cluster.
    async with session.get(url, allow_redirects=False) as response:
        if response.status != HTTPStatus.OK:
            raise IssuerError(f"{url} answered {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > DOCUMENT_LIMIT_BYTES:
                raise IssuerError(f"{url} answered more than {DOCUMENT_LIMIT_BYTES} bytes")
        return bytes(body)
