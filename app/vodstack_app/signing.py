"""Signature Version 4, as much of it as a read of the table and a URL of the bucket need.

botocore signs any request there is, and takes ten times as long (docs/adr/0065-a-thin-client-of-dynamodb.md).
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, Protocol
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
ReadMethod = Literal["GET", "HEAD"]
Method = ReadMethod | Literal["PUT"]


class Keys(Protocol):
    """What botocore calls frozen credentials: they are of one moment, and fit each other."""

    access_key: str
    secret_key: str
    token: str | None


class Credentials(Protocol):
    """aiobotocore's, of whatever source; they renew themselves before they end."""

    async def get_frozen_credentials(self) -> Keys: ...


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a URL opens: a method, a scheme and host, a path and a query, percent-encoded as they are sent.

    The query's names are in their order, and begin with small letters.
    """

    method: Method
    address: str
    path: str
    query: tuple[tuple[str, str], ...] = ()


class Signer:
    """Signs for one service in one region."""

    def __init__(self, service: str, region: str) -> None:
        self._service = service
        self._region = region
        # A key is good for a day of one secret; to derive it takes longer than to sign.
        self._derived_from = ("", "")
        self._derived = b""

    def headers(
        self, keys: Keys, headers: Mapping[str, str], body: bytes, *, path: str, moment: datetime
    ) -> dict[str, str]:
        """The headers of a POST, with those that prove who sent it. Names are in lower case; `host` is one of them."""
        amz_date = _amz_date(moment)
        signed = {**headers, "x-amz-date": amz_date}
        if keys.token:
            signed["x-amz-security-token"] = keys.token
        names = sorted(signed)
        lines = "".join(f"{name}:{signed[name]}\n" for name in names)
        request = f"POST\n{path}\n\n{lines}\n{';'.join(names)}\n{hashlib.sha256(body).hexdigest()}"
        signature = self._sign(keys, amz_date, request)
        credential = f"{keys.access_key}/{self._scope(amz_date)}"
        signed["authorization"] = (
            f"{ALGORITHM} Credential={credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return signed

    def url(
        self, keys: Keys, target: Target, *, seconds: int, moment: datetime, headers: Mapping[str, str] | None = None
    ) -> str:
        """A URL that opens the target for anyone who sends these headers; their names are in lower case."""
        amz_date = _amz_date(moment)
        signed = {**(headers or {}), "host": target.address.partition("://")[2]}
        names = ";".join(sorted(signed))
        credential = quote(f"{keys.access_key}/{self._scope(amz_date)}", safe="")
        token = f"&X-Amz-Security-Token={_quoted_token(keys.token)}" if keys.token else ""
        own = "".join(f"&{name}={value}" for name, value in target.query)
        # Sorted by name, as it has to be signed: capital letters come first.
        query = (
            f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={amz_date}"
            f"&X-Amz-Expires={seconds}{token}&X-Amz-SignedHeaders={names.replace(';', '%3B')}{own}"
        )
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = f"{target.method}\n{target.path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        return f"{target.address}{target.path}?{query}&X-Amz-Signature={self._sign(keys, amz_date, request)}"

    def _scope(self, amz_date: str) -> str:
        return f"{amz_date[:8]}/{self._region}/{self._service}/aws4_request"

    def _sign(self, keys: Keys, amz_date: str, request: str) -> str:
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"{ALGORITHM}\n{amz_date}\n{self._scope(amz_date)}\n{digest}"
        return _hmac(self._key(keys.secret_key, amz_date[:8]), text).hex()

    def _key(self, secret: str, day: str) -> bytes:
        if self._derived_from != (secret, day):
            key = f"AWS4{secret}".encode()
            for word in (day, self._region, self._service, "aws4_request"):
                key = _hmac(key, word)
            self._derived_from, self._derived = (secret, day), key
        return self._derived


def now() -> datetime:
    return datetime.now(UTC)


@lru_cache(maxsize=8)
def _quoted_token(token: str) -> str:
    """A role's token has a thousand characters, and is the same for hours."""
    return quote(token, safe="")


def _amz_date(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
