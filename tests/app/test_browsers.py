"""What web pages of other origins may do."""

from collections.abc import Iterator

import pytest
from tests.app.conftest import Api, serving

from vodstack_app.docs.description import describe
from vodstack_app.settings import SettingsError, read_settings

PAGE = "https://app.example"


@pytest.fixture(scope="module")
def open_api(shared_api: Api) -> Iterator[Api]:
    with serving(shared_api.foundation, VODSTACK_CORS_ORIGINS=f"{PAGE}, http://localhost:5173") as api:
        yield api


def _preflight(api: Api, origin: str, method: str, headers: str = "authorization,idempotency-key"):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return api.client.options("/videos", headers={"Origin": origin} | asked)


def test_a_page_that_is_named_may_ask_and_read_answers_and_errors_alike(open_api: Api):
    allowed = _preflight(open_api, PAGE, "POST")
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "idempotency-key" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    for path, status in (("/videos", 200), ("/videos/abc", 400), ("/nope", 404)):
        answer = open_api.client.get(path, headers={"Origin": PAGE})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, PAGE)
        assert {"ETag", "Retry-After", "X-Request-ID"} <= set(
            answer.headers["access-control-expose-headers"].split(", ")
        )
        assert answer.headers["vary"] == "Origin"


def test_other_pages_may_not(open_api: Api):
    for origin in ("https://evil.example", f"{PAGE}.evil.example", "null"):
        assert _preflight(open_api, origin, "POST").status_code == 400
        assert "access-control-allow-origin" not in open_api.client.get("/videos", headers={"Origin": origin}).headers
    assert _preflight(open_api, PAGE, "PUT").status_code == 400
    assert _preflight(open_api, PAGE, "POST", "x-other").status_code == 400


def test_a_refused_preflight_is_a_problem_like_any_other(open_api: Api):
    refused = _preflight(open_api, "https://evil.example", "PUT", "x-other")
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
    assert "access-control-allow-origin" not in refused.headers
    assert refused.headers["x-request-id"]
    said = refused.json()
    assert (said["type"], said["status"], said["instance"]) == ("urn:vodstack:problem:bad-request", 400, "/videos")
    assert [word for word in ("method", "Origin", "headers") if word not in said["detail"]] == []


def test_pages_of_ones_own_machine_may_at_any_port(shared_api: Api):
    loopback = "http://localhost:*,http://127.0.0.1:*,http://[::1]:*"
    with serving(shared_api.foundation, VODSTACK_CORS_ORIGINS=loopback) as api:
        pages = ("http://localhost:5173", "http://localhost", "http://127.0.0.1:1", "http://[::1]:3000")
        assert [page for page in pages if _preflight(api, page, "POST").status_code != 204] == []
        answers = [api.client.get("/videos", headers={"Origin": page}) for page in pages]
        assert [answer.headers["access-control-allow-origin"] for answer in answers] == [*pages]
        others = (
            "https://localhost:5173",
            "http://localhost.evil.example",
            "http://localhost:1.evil.example",
            "http://1",
        )
        others += ("http://127a0b0c1:80", "http://[::2]:80", "http://evil.example:5173", "http://:80", "null")
        assert [page for page in others if _preflight(api, page, "POST").status_code != 400] == []


def test_no_page_may_unless_it_is_named(api: Api):
    assert "access-control-allow-origin" not in _preflight(api, PAGE, "POST").headers
    assert "access-control-allow-origin" not in api.client.get("/videos", headers={"Origin": PAGE}).headers


def test_every_method_of_the_api_may_be_allowed(open_api: Api):
    methods = {method.upper() for path in describe()["paths"].values() for method in path}
    assert [method for method in methods if _preflight(open_api, PAGE, method).status_code != 204] == []


@pytest.mark.parametrize(
    "origins",
    ["app.example", "https://app.example/", "https://a.example/path", "https://*.a.example", "https://app.example:*"],
)
def test_what_is_no_origin_stops_the_start(monkeypatch: pytest.MonkeyPatch, origins: str):
    for name in ("AWS_REGION", "S3_BUCKET", "DYNAMODB_TABLE", "VODSTACK_WORK_TABLE"):
        monkeypatch.setenv(name, "somewhere")
    monkeypatch.setenv("VODSTACK_AUTH", "none")
    monkeypatch.setenv("VODSTACK_CORS_ORIGINS", origins)
    with pytest.raises(SettingsError, match="VODSTACK_CORS_ORIGINS"):
        read_settings()
