"""What was proved once is good until the token ends or its key goes, and not a moment longer."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import jwt
import pytest
from tests.app.issuer import AUDIENCE, Issuer

from vodstack_app.auth import proven
from vodstack_app.auth.issuer import fetch_keys
from vodstack_app.auth.keys import FRESH_SECONDS, STALE_SECONDS, IssuerKeys
from vodstack_app.auth.tokens import TokenCheck, TokenRules
from vodstack_app.errors import InvalidTokenError

LEEWAY_SECONDS = 30


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture
def check(issuer: Issuer, clock: Clock) -> TokenCheck:
    rules = TokenRules(issuer.url, AUDIENCE, frozenset(), LEEWAY_SECONDS)
    check = TokenCheck(IssuerKeys(partial(fetch_keys, issuer.url), clock), rules)
    check._proven._clock = clock
    return check


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was looked at."""
    seen: list[str] = []
    decode = jwt.decode

    def look(text: str, *arguments: Any, **options: Any) -> Any:
        seen.append(text)
        return decode(text, *arguments, **options)

    monkeypatch.setattr(jwt, "decode", look)
    return seen


async def test_a_signature_is_checked_once(check: TokenCheck, issuer: Issuer, checks: list[str]):
    token = issuer.token()
    first = await check(token)
    assert await check(token) == first
    assert checks == [token]


async def test_another_token_of_the_same_subject_is_checked_for_itself(check: TokenCheck, issuer: Issuer):
    await check(issuer.token())
    forged = issuer.token(scope="videos:admin").rpartition(".")[0] + "." + issuer.token().rpartition(".")[2]
    with pytest.raises(InvalidTokenError):
        await check(forged)


async def test_a_proven_token_ends_when_it_says(check: TokenCheck, issuer: Issuer, clock: Clock, checks: list[str]):
    token = issuer.token(exp=int(time.time()) + 300)
    await check(token)
    clock.ahead = 300 + LEEWAY_SECONDS - 5
    await check(token)
    assert len(checks) == 1
    clock.ahead = 300 + LEEWAY_SECONDS + 5
    await check(token)
    assert len(checks) == 2


async def test_a_proven_token_whose_key_is_withdrawn_is_refused(check: TokenCheck, issuer: Issuer, clock: Clock):
    issuer.add_rsa("second")
    token = issuer.token("first", exp=int(time.time() + 2 * STALE_SECONDS))
    await check(token)
    issuer.withdraw("first")
    clock.ahead = STALE_SECONDS
    with pytest.raises(InvalidTokenError):
        await check(token)


async def test_a_proven_token_whose_key_is_replaced_under_its_name_is_refused(
    check: TokenCheck, issuer: Issuer, clock: Clock
):
    token = issuer.token("first", exp=int(time.time() + 2 * STALE_SECONDS))
    await check(token)
    issuer.withdraw("first")
    issuer.add_rsa("first")
    clock.ahead = FRESH_SECONDS
    await check(token)
    refresh = check._keys._refreshing
    assert refresh
    await refresh
    with pytest.raises(InvalidTokenError):
        await check(token)


async def test_what_is_remembered_has_a_bound_and_holds_no_token(
    check: TokenCheck, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(proven, "TOKENS", 2)
    texts = [issuer.token(sub=subject) for subject in ("a", "b", "c")]
    for text in texts:
        await check(text)
    assert [proof.token.subject for proof in check._proven._proofs.values()] == ["b", "c"]
    assert not any(text in repr(check._proven._proofs) for text in texts)
