"""Tokens whose signature has been checked: the same bytes by the same key prove the same thing again."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from vodstack_app.auth.keys import IssuerKeys, Key

T = TypeVar("T")

TOKENS = 1000


@dataclass(frozen=True)
class _Proof(Generic[T]):
    key: Key
    ends_at: float
    token: T


class Proven(Generic[T]):
    """Remembers what good tokens say, by their digests: the tokens themselves are kept nowhere."""

    def __init__(self, keys: IssuerKeys, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock
        self._proofs: dict[bytes, _Proof[T]] = {}

    async def find(self, text: str) -> T | None:
        """What the token says, if nothing that could make it worthless has happened since it was checked.

        That is its end, or that the issuer has withdrawn or replaced its key. Raises UnavailableError.
        """
        digest = _digest(text)
        proof = self._proofs.get(digest)
        if proof is None:
            return None
        if self._clock() < proof.ends_at and await self._keys.find(proof.key.kid) is proof.key:
            return proof.token
        self._proofs.pop(digest, None)
        return None

    def keep(self, text: str, key: Key, ends_at: float, token: T) -> None:
        while len(self._proofs) >= TOKENS:
            del self._proofs[next(iter(self._proofs))]
        self._proofs[_digest(text)] = _Proof(key, ends_at, token)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
