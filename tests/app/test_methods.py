"""HEAD wherever GET is: the same answer, without its body."""

import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.app.conftest import Api
from tests.app.test_video import ready_record

from vodstack_app.docs.description import describe
from vodstack_app.signing import now

# Of one answer alone, or signed for one method.
VARYING = {"date", "x-request-id", "location", "cache-control"}
FILES = {"hls/master.m3u8": b"#EXTM3U\n", "thumbnails/index.vtt": b"WEBVTT\n", "poster.jpg": b"poster"}
READABLE = [path for path, item in describe()["paths"].items() if "get" in item]


@pytest.fixture
def places(api: Api) -> dict[str, str]:
    """A real path for each template that GET knows."""
    record = ready_record()
    api.put_record(record)
    for path, body in FILES.items():
        api.s3.put_object(Bucket=api.foundation.bucket, Key=f"renditions/{record.video_id}/{path}", Body=body)
    started = api.client.post("/uploads", json={"fileName": "x", "sizeBytes": 3, "contentType": "video/mp4"}).json()
    video = f"/videos/{record.video_id}"
    return {
        "/uploads/{video_id}": f"/uploads/{started['videoId']}",
        "/videos/{video_id}": video,
        "/videos/{video_id}/events": f"{video}/events",
        "/videos/{video_id}/playback/{file_path}": f"{video}/playback/hls/master.m3u8",
    }


def _lasting(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in VARYING}


@pytest.mark.parametrize("template", [*READABLE, "/docs", "/openapi.json", "/docs/nope", "/videos/abc", "/nope"])
def test_head_has_the_status_and_headers_of_get_and_no_body(api: Api, places: dict[str, str], template: str):
    path = places.get(template, template)
    seen, told = api.client.get(path), api.client.head(path)
    assert (told.status_code, told.content) == (seen.status_code, b"")
    lasting, expected = _lasting(told.headers), _lasting(seen.headers)
    if template == "/metrics":
        # The request itself is counted.
        del lasting["content-length"], expected["content-length"]
    if template.endswith("/events"):
        assert expected.pop("transfer-encoding") == "chunked"
    assert lasting == expected
    assert "content-type" in lasting


def test_head_is_answered_304_as_get_is(api: Api, places: dict[str, str]):
    path = places["/videos/{video_id}"]
    known = {"If-None-Match": api.client.head(path).headers["etag"]}
    assert api.client.head(path, headers=known).status_code == 304


def test_head_of_a_file_leads_to_where_head_is_answered(
    api: Api, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    moment = now()
    monkeypatch.setattr("vodstack_app.object_urls.now", lambda: moment)
    path = places["/videos/{video_id}"] + "/playback/poster.jpg"
    led, seen = api.client.head(path), api.client.get(path)
    assert (led.status_code, led.headers["cache-control"]) == (307, "no-store")
    assert "max-age" in seen.headers["cache-control"]
    assert api.client.head(led.headers["location"]).headers["content-length"] == "6"
    assert led.headers["location"] != seen.headers["location"], "S3 would refuse HEAD with a signature of GET"


def test_nothing_but_the_head_is_on_the_line(api: Api):
    request = b"HEAD /videos HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(api.address) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 31\r\n" in answer


def test_head_of_events_is_over_at_once_and_takes_no_place(serve: Callable[..., Api]):
    api = serve(VODSTACK_MAX_WATCHES="2")
    video_id = api.upload(b"x").json()["videoId"]
    began = time.monotonic()
    for _ in range(10):
        assert api.client.head(f"/videos/{video_id}/events").status_code == 200
    assert time.monotonic() - began < 10
    while "vodstack_http_requests_in_flight 1.0" not in api.client.get("/metrics").text:
        pass


def test_a_path_without_get_takes_no_head(api: Api):
    refused = api.client.head("/uploads")
    assert (refused.status_code, refused.headers["allow"], refused.content) == (405, "OPTIONS, POST", b"")


def test_a_refused_method_is_told_of_head_too(api: Api):
    refused = api.client.delete("/videos")
    assert refused.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert "GET, HEAD, OPTIONS, POST" in refused.json()["detail"]


def test_head_is_counted_as_head(serve: Callable[..., Api]):
    api = serve()
    api.client.head("/videos")
    assert 'myapp_http_requests_total{method="HEAD",path="/videos",status="200"} 1.0' in api.client.get("/metrics").text


def test_the_description_has_no_operation_twice():
    """A client made of it would have two methods for each GET."""
    described: dict[str, Any] = describe()
    assert [path for path, item in described["paths"].items() if "head" in item] == []
    assert "HEAD" in described["info"]["description"]
