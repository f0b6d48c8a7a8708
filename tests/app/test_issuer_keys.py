"""An issuer's keys: found at once when new, kept through an outage, and never asked for too often."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import httpx
import pytest
from jwt.algorithms import HMACAlgorithm, RSAAlgorithm
from tests.app.issuer import Issuer

from vodstack_app.auth.issuer import DOCUMENT_LIMIT_BYTES, IssuerError, fetch_keys, is_trustworthy
from vodstack_app.auth.keys import COOL_DOWN_SECONDS, FRESH_SECONDS, STALE_SECONDS, IssuerKeys
from vodstack_app.errors import UnavailableError


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> IssuerKeys:
    return IssuerKeys(partial(fetch_keys, issuer.url), clock)


async def _refreshed(keys: IssuerKeys) -> None:
    if keys._refreshing:
        await keys._refreshing


async def test_a_key_that_is_known_costs_no_request(keys: IssuerKeys, issuer: Issuer):
    for _ in range(3):
        assert await keys.find("first")
        assert await keys.find("curve")
    assert issuer.asked == 1


async def test_all_who_ask_at_once_wait_for_one_answer(keys: IssuerKeys, issuer: Issuer):
    assert all(await asyncio.gather(*(keys.find("first") for _ in range(20))))
    assert issuer.asked == 1


async def test_a_new_key_is_found_by_its_first_token(keys: IssuerKeys, issuer: Issuer, clock: Clock):
    await keys.find("first")
    clock.now += COOL_DOWN_SECONDS
    issuer.add_rsa("second")
    assert await keys.find("second")


async def test_keys_nobody_has_are_looked_for_once_in_a_while(keys: IssuerKeys, issuer: Issuer, clock: Clock):
    await keys.find("first")
    for number in range(10):
        assert await keys.find(f"unknown-{number}") is None
    assert issuer.asked == 1
    clock.now += COOL_DOWN_SECONDS
    for number in range(10):
        assert await keys.find(f"unknown-{number}") is None
    assert issuer.asked == 2


async def test_a_withdrawn_key_is_dropped_once_the_keys_are_not_fresh(keys: IssuerKeys, issuer: Issuer, clock: Clock):
    await keys.find("first")
    issuer.withdraw("first")
    clock.now += FRESH_SECONDS
    await keys.find("first")
    await _refreshed(keys)
    assert await keys.find("first") is None


async def test_an_outage_of_the_issuer_is_survived_for_a_day(keys: IssuerKeys, issuer: Issuer, clock: Clock):
    await keys.find("first")
    issuer.status = 500
    clock.now += STALE_SECONDS - 1
    for _ in range(5):
        assert await keys.find("first")
        await _refreshed(keys)
    clock.now += 2
    with pytest.raises(UnavailableError):
        await keys.find("first")
    issuer.status = 200
    clock.now += COOL_DOWN_SECONDS
    assert await keys.find("first")


async def test_a_client_that_leaves_takes_no_refresh_with_it(keys: IssuerKeys):
    leaving = asyncio.create_task(keys.find("first"))
    staying = asyncio.create_task(keys.find("first"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying


async def test_only_public_keys_that_sign_are_taken(issuer: Issuer):
    issuer.add_rsa("short", bits=1024)
    issuer.add_rsa("for encryption", use="enc")
    issuer.add_rsa("for secrets", alg="HS256")
    issuer.add_rsa("bound", alg="PS256")
    issuer.add_rsa("private")
    private = RSAAlgorithm.to_jwk(issuer.private_keys["private"], as_dict=True)
    issuer.jwks[-1].update(private)
    issuer.jwks += [{**HMACAlgorithm.to_jwk("s" * 32, as_dict=True), "kid": "shared"}, {"kid": "odd", "kty": "RSA"}]
    found = await fetch_keys(issuer.url)
    assert found.keys() == {"first", "curve", "bound"}
    assert found["bound"].algorithms == ("PS256",)


@pytest.mark.parametrize("fault", ["down", "moved", "endless", "another's", "eavesdropped", "empty"])
async def test_what_is_no_issuers_answer_is_refused(issuer: Issuer, fault: str):
    match fault:
        case "down":
            issuer.status = 503
        case "moved":
            issuer.status = 302
        case "endless":
            issuer.padding = "x" * DOCUMENT_LIMIT_BYTES
        case "another's":
            issuer.discovery = {"issuer": "https://elsewhere.example"}
        case "eavesdropped":
            issuer.discovery = {"jwks_uri": "http://issuer.example/keys"}
        case _:
            issuer.jwks = []
    with pytest.raises(IssuerError):
        await fetch_keys(issuer.url)


async def test_a_redirect_of_an_issuer_is_not_followed_though_it_leads_to_good_keys(issuer: Issuer):
    with Issuer() as elsewhere:
        elsewhere.discovery = {"issuer": issuer.url, "jwks_uri": f"{elsewhere.url}/keys"}
        issuer.redirect = elsewhere.url
        with pytest.raises(IssuerError, match="answered 302"):
            await fetch_keys(issuer.url)
        assert elsewhere.asked == 0


async def test_keys_that_come_unprotected_are_not_asked_for_though_they_are_there(issuer: Issuer):
    # The same server by a name that is not one of this machine's.
    issuer.discovery = {"jwks_uri": f"http://127.1:{httpx.URL(issuer.url).port}/keys"}
    with pytest.raises(IssuerError, match="no https address"):
        await fetch_keys(issuer.url)
    assert issuer.asked == 0


def test_only_tls_or_this_machine_is_trusted():
    assert is_trustworthy("https://issuer.example/pool")
    assert is_trustworthy("http://127.0.0.1:8000")
    assert [
        url for url in ("http://issuer.example", "", "https://", "file:///keys", "issuer") if is_trustworthy(url)
    ] == []
