"""Who is let in where tokens are asked for, and how everyone else is refused."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from tests.app.conftest import Api, serving
from tests.app.issuer import EVERY_SCOPE, PREFIX, Issuer

UNKNOWN = "/videos/0200c014-987b-4c5e-82bc-5fa62e2d2e97"
PUBLIC = ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json")
Forge = Callable[[Issuer], str]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def serve_guarded(shared_api: Api, issuer: Issuer) -> Iterator[Callable[..., Api]]:
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(serving(shared_api.foundation, **(issuer.settings() | changes)))


@pytest.fixture(scope="module")
def running_guarded(serve_guarded: Callable[..., Api]) -> Api:
    return serve_guarded()


@pytest.fixture
def guarded(api: Api, running_guarded: Api) -> Api:
    """An API that asks for tokens, on the storage of `api`, which empties it."""
    return running_guarded


def _ask(api: Api, token: str, method: str = "GET", path: str = UNKNOWN) -> httpx.Response:
    return api.client.request(method, path, headers={"Authorization": f"Bearer {token}"})


def _upload(api: Api, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    answer = api.client.post("/videos", files={"file": ("x.mp4", b"x", "video/mp4")}, headers=headers)
    assert answer.status_code == 201
    return f"/videos/{answer.json()['videoId']}"


def _pack(header: object, claims: object) -> str:
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))


def _unsigned(issuer: Issuer) -> str:
    return _pack({"alg": "none", "kid": "first", "typ": "JWT"}, issuer.claims()) + "."


def _keyed_by(secret: bytes) -> Callable[[Issuer], str]:
    def forge(issuer: Issuer) -> str:
        text = _pack({"alg": "HS256", "kid": "first"}, issuer.claims())
        return f"{text}.{urlsafe_b64encode(hmac.digest(secret, text.encode(), hashlib.sha256)).rstrip(b'=').decode()}"

    return forge


def _keyed_by_the_public_key(issuer: Issuer) -> str:
    public = issuer.private_keys["first"].public_key()
    return _keyed_by(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))(issuer)


def _by_a_key_of_its_own(issuer: Issuer, **header: object) -> str:
    attacker = rsa.generate_private_key(65537, 2048)
    own = RSAAlgorithm.to_jwk(attacker.public_key(), as_dict=True)
    return jwt.encode(issuer.claims(), attacker, "RS256", headers={"kid": "first", "jwk": own, **header})


def _with_header(issuer: Issuer, **header: object) -> str:
    return jwt.encode(issuer.claims(), issuer.private_keys["first"], "RS256", headers=header)


def _tampered(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    claims = _pack({}, issuer.claims(sub="mallory")).split(".")[1]
    return f"{header}.{claims}.{signature}"


NOW = int(time.time())
ATTACKS: dict[str, Forge] = {
    "unsigned": _unsigned,
    "keyed by the public key": _keyed_by_the_public_key,
    "keyed by nothing": _keyed_by(b""),
    "tampered": _tampered,
    "brings its own key": _by_a_key_of_its_own,
    "names a key set of its own": lambda issuer: _by_a_key_of_its_own(issuer, jku=f"{issuer.url}/keys"),
    "another key's algorithm": lambda issuer: _with_header(issuer, kid="curve"),
    "a key nobody has": lambda issuer: _with_header(issuer, kid="nobody's"),
    "no key named": _with_header,
    "an unknown extension": lambda issuer: _with_header(issuer, kid="first", crit=["b64"], b64=True),
    "another issuer": lambda issuer: issuer.token(iss="https://elsewhere.example"),
    "an issuer with a slash": lambda issuer: issuer.token(iss=f"{issuer.url}/"),
    "another audience": lambda issuer: issuer.token(aud="https://elsewhere.example"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "an identity token": lambda issuer: issuer.token(token_use="id"),
    "expired": lambda issuer: issuer.token(exp=NOW - 120),
    "never expires": lambda issuer: issuer.token(exp=None),
    "expires at infinity": lambda issuer: issuer.token(exp=float("inf")),
    "not valid yet": lambda issuer: issuer.token(nbf=NOW + 3600),
    "of the future": lambda issuer: issuer.token(iat=NOW + 3600),
    "nobody's": lambda issuer: issuer.token(sub=None),
    "an empty subject": lambda issuer: issuer.token(sub=""),
    "an endless subject": lambda issuer: issuer.token(sub="a" * 256),
    "huge": lambda issuer: issuer.token(padding="x" * 9000),
    "no token": lambda issuer: "abc",
    "two parts": lambda issuer: issuer.token().rpartition(".")[0],
    "a list of claims": lambda issuer: _pack({"alg": "RS256", "kid": "first"}, []) + ".AAAA",
    "deeply nested": lambda issuer: urlsafe_b64encode(b"[" * 5000).decode() + ".e30.AAAA",
}


@pytest.mark.parametrize("forge", ATTACKS.values(), ids=list(ATTACKS))
def test_a_token_that_proves_nothing_is_refused(guarded: Api, issuer: Issuer, forge: Forge):
    answer = _ask(guarded, forge(issuer))
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:vodstack:problem:invalid-token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="vodstack", error="invalid_token"'


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer\u00a0x", "Token abc"])
def test_other_credentials_are_refused(guarded: Api, value: str):
    headers = httpx.Headers([(b"Authorization", value.encode("latin-1"))])
    answer = guarded.client.get(UNKNOWN, headers=headers)
    assert (answer.status_code, 'error="invalid_token"' in answer.headers["www-authenticate"]) == (401, True)


def test_two_tokens_are_refused_even_if_one_is_good(guarded: Api, issuer: Issuer):
    headers = [("Authorization", f"Bearer {issuer.token()}"), ("Authorization", "Bearer abc")]
    assert guarded.client.get(UNKNOWN, headers=headers).status_code == 401


def test_without_a_token_everything_is_closed_but_what_machines_and_readers_ask(guarded: Api):
    for path in PUBLIC:
        assert guarded.client.get(path).status_code == 200
    described = guarded.client.get("/openapi.json").json()
    assert described["security"] == [{"token": []}]
    for path, operations in described["paths"].items():
        if path in PUBLIC:
            continue
        for method in operations.keys() - {"parameters"}:
            answer = guarded.client.request(method, path.replace("{video_id}", "x").replace("{file_path}", "y"))
            assert (method, path, answer.status_code) == (method, path, 401)
            assert answer.json()["type"] == "urn:vodstack:problem:unauthenticated"
            assert answer.headers["www-authenticate"] == 'Bearer realm="vodstack"'


@pytest.mark.parametrize("kid", ["first", "curve"])
def test_a_good_token_is_let_in(guarded: Api, issuer: Issuer, kid: str):
    assert _ask(guarded, issuer.token(kid)).status_code == 404


def test_clocks_may_differ_by_the_leeway(guarded: Api, issuer: Issuer):
    assert _ask(guarded, issuer.token(exp=int(time.time()) - 5, nbf=int(time.time()) + 10)).status_code == 404


@pytest.mark.parametrize(
    ("scope", "method", "missing"),
    [
        (f"{PREFIX}videos:read", "POST", "videos:write"),
        (f"{PREFIX}videos:write", "GET", "videos:read"),
        ("videos:read", "GET", "videos:read"),
        (f"{PREFIX}videos:readwrite", "GET", "videos:read"),
        ("", "GET", "videos:read"),
    ],
)
def test_a_token_without_the_scope_is_told_which_it_lacks(
    guarded: Api, issuer: Issuer, scope: str, method: str, missing: str
):
    answer = _ask(guarded, issuer.token(scope=scope), method, UNKNOWN if method == "GET" else "/videos")
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:vodstack:problem:insufficient-scope")
    challenge = f'Bearer realm="vodstack", error="insufficient_scope", scope="{PREFIX}{missing}"'
    assert answer.headers["www-authenticate"] == challenge


def test_urls_that_let_one_write_are_not_for_readers(guarded: Api, issuer: Issuer):
    path = UNKNOWN.replace("videos", "uploads")
    assert _ask(guarded, issuer.token(scope=f"{PREFIX}videos:read"), path=path).status_code == 403
    assert _ask(guarded, issuer.token(scope=f"{PREFIX}videos:write"), path=path).status_code == 404


def test_scopes_may_come_as_a_list(guarded: Api, issuer: Issuer):
    assert _ask(guarded, issuer.token(scope=None, scp=EVERY_SCOPE.split())).status_code == 404


def test_everyone_sees_what_is_theirs_and_an_admin_sees_all(guarded: Api, issuer: Issuer):
    path = _upload(guarded, issuer.token(sub="alice"))
    assert [record.owner for record in guarded.records()] == ["alice"]
    assert _ask(guarded, issuer.token(sub="alice"), path=path).status_code == 200
    assert _ask(guarded, issuer.token(sub="bob"), path=path).status_code == 404
    assert _ask(guarded, issuer.token(sub="bob"), path=f"{path}/playback/hls/master.m3u8").status_code == 404
    admin = issuer.token(sub="bob", scope=f"{PREFIX}videos:admin")
    assert _ask(guarded, admin, path=path).status_code == 200


def test_client_ids_stand_in_for_an_audience(serve_guarded: Callable[..., Api], issuer: Issuer):
    api = serve_guarded(VODSTACK_OIDC_AUDIENCE="", VODSTACK_OIDC_CLIENT_IDS="web, batch")
    assert _ask(api, issuer.token(aud=None, client_id="web")).status_code == 404
    assert _ask(api, issuer.token(aud="anything", azp="batch")).status_code == 404
    wrong: list[dict[str, object]] = [
        {"client_id": "other"},
        {"client_id": ["web"]},
        {"client_id": "other", "azp": "web"},
    ]
    for claims in [*wrong, {}]:
        assert _ask(api, issuer.token("first", **claims)).status_code == 401


def test_a_silent_issuer_is_no_fault_of_the_token(serve_guarded: Callable[..., Api], issuer: Issuer):
    api = serve_guarded(VODSTACK_OIDC_ISSUER="http://127.0.0.1:9")
    answer = _ask(api, issuer.token())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
