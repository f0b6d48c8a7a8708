"""What stands around the videos: health, metrics, documentation, the one form of errors, logs."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.app.conftest import Api, ApiProcess

from vodstack_app.errors import AppError, ClientGoneError
from vodstack_app.problem_details import BY_STATUS
from vodstack_app.settings import Settings

PROBLEMS_PAGE = Path(__file__).parents[2] / "docs" / "problems.md"


def test_the_process_is_alive_and_ready(api: Api):
    assert api.client.get("/livez").json() == {"status": "alive"}
    assert api.client.get("/readyz").json() == {"status": "ready"}


def test_a_missing_bucket_makes_it_unready_but_leaves_it_alive(serve: Callable[..., Api]):
    api = serve(S3_BUCKET="never-made")
    answer = api.client.get("/readyz")
    assert (answer.status_code, "bucket" in answer.json()["detail"]) == (503, True)
    assert "never-made" not in answer.text
    assert api.client.get("/livez").status_code == 200


def test_a_missing_table_makes_it_unready(serve: Callable[..., Api]):
    answer = serve(DYNAMODB_TABLE="never-made").client.get("/readyz")
    assert (answer.status_code, "table" in answer.json()["detail"]) == (503, True)
    assert "never-made" not in answer.text


def test_requests_are_counted_by_route_template_and_unknown_routes_together(serve: Callable[..., Api]):
    api = serve()
    for path in ("/nope", "/neither", "/videos/abc"):
        api.client.get(path)
    api.client.delete("/videos")
    text = api.client.get("/metrics").text
    count = re.compile(
        r'^myapp_http_requests_total\{method="(\w+)",path="([^"]+)",status="(\d+)"\} (\d+)', re.MULTILINE
    )
    counted = {(m, p, s): int(n) for m, p, s, n in count.findall(text)}
    assert counted["GET", "unmatched", "404"] == 2
    assert counted["DELETE", "unmatched", "405"] == 1
    assert counted["GET", "/videos/{video_id}", "400"] == 1
    assert 'myapp_http_request_duration_seconds_bucket{le="0.005",method="GET"' in text
    assert "nope" not in text


def test_two_apps_in_a_process_count_apart(serve: Callable[..., Api]):
    first, second = serve(), serve()
    first.client.get("/nope")
    assert 'path="unmatched"' not in second.client.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "path", "status", "problem"),
    [
        ("GET", "/nope", 404, "not-found"),
        ("GET", "/docs/nope", 404, "not-found"),
        ("DELETE", "/videos", 405, "method-not-allowed"),
        ("GET", "/videos/abc", 400, "invalid-id"),
    ],
)
def test_every_error_has_one_form(api: Api, method: str, path: str, status: int, problem: str):
    answer = api.client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    said = answer.json()
    assert said["type"] == f"urn:vodstack:problem:{problem}"
    assert {"type", "title", "status", "detail", "instance"} <= said.keys()


def test_a_refused_method_is_told_which_are_taken(api: Api):
    assert "POST" in api.client.delete("/videos").headers["allow"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/videos", "GET, HEAD, OPTIONS, POST"), ("/livez", "GET, HEAD, OPTIONS"), ("/docs", "GET, HEAD, OPTIONS")],
)
def test_options_names_every_method_of_a_path(api: Api, path: str, allowed: str):
    answer = api.client.options(path)
    assert (answer.status_code, answer.headers["allow"]) == (204, allowed)


def test_a_sane_request_id_is_kept_and_another_replaced(api: Api):
    assert api.client.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = api.client.get("/livez", headers={"X-Request-ID": "a b{}"}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_the_description_names_every_route_and_the_streamed_form(api: Api):
    described = api.client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/videos",
        "/videos/{video_id}",
        "/videos/{video_id}/events",
        "/videos/{video_id}/playback/{file_path}",
        "/uploads",
        "/uploads/{video_id}",
        "/uploads/{video_id}/complete",
        "/livez",
        "/readyz",
        "/metrics",
    }
    form = described["paths"]["/videos"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(form["schema"]["properties"]) == {"file", "title", "description", "tags", "metadata"}


def test_the_docs_page_asks_nothing_of_another_host(api: Api):
    answer = api.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", answer.text) == []
    assert re.findall('<(?:script|link|img)[^>]*(?:src|href)=(?!"data:)', answer.text) == []
    for operation in ("POST</b> <code>/videos</code>", "GET</b> <code>/videos/{video_id}</code>", "VideoView"):
        assert operation in answer.text


def test_log_lines_are_json_name_the_video_and_hold_no_query_strings(start_process: Callable[..., ApiProcess]):
    api = start_process()
    api.client.get("/videos/abc?token=secret")
    made = api.upload(b"x").json()["videoId"]
    started = api.client.post("/uploads", json={"fileName": "x", "sizeBytes": 3, "contentType": "video/mp4"}).json()
    api.client.get(f"/videos/{made.upper()}")
    api.client.delete(f"/videos/{made}", headers={"X-Request-ID": "seen-1"})
    while "seen-1" not in api.log.read_text():
        pass
    lines = [json.loads(line) for line in api.log.read_text().splitlines()]
    lines = [line for line in lines if line["event"] == "request" and line["path"] != "/livez"]
    assert (lines[0]["method"], lines[0]["path"], lines[0]["status"]) == ("GET", "/videos/{video_id}", 400)
    assert [line.get("video_id") for line in lines] == [None, made, started["videoId"], made, made]
    assert lines[-1]["request_id"] == "seen-1"
    assert "secret" not in api.log.read_text()


def _kinds(kind: type[AppError]) -> list[type[AppError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _kinds(child))]


def test_every_problem_is_documented_and_no_other():
    known = {(kind.name, str(kind.status), kind.title) for kind in _kinds(AppError)}
    # Nobody is there to read this one.
    known.remove((ClientGoneError.name, str(ClientGoneError.status), ClientGoneError.title))
    known |= {(name, str(status), title) for status, (name, title) in BY_STATUS.items()}
    documented = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (.+) \|$", PROBLEMS_PAGE.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(known)


def test_every_setting_is_documented():
    page = PROBLEMS_PAGE.with_name("api.md").read_text()
    assert [field.alias for field in Settings.model_fields.values() if f"`{field.alias}`" not in page] == []
