"""An upload while its parts are put together: they are gone by then, and the original does not show yet."""

import time
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from tests.app.conftest import Api
from tests.aws_proxy import AwsProxy, is_operation

from vodstack_app.uploads.direct import COMPLETION_SECONDS
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status

FILE = {"fileName": "clip.mp4", "sizeBytes": 3, "contentType": "video/mp4"}

is_completion = is_operation("CompleteMultipartUpload")


@pytest.fixture
def sent(shared_proxied: tuple[Api, AwsProxy]) -> str:
    """The path of an upload whose one part has arrived."""
    started = shared_proxied[0].client.post("/uploads", json=FILE).json()
    assert httpx.put(started["missing"][0]["url"], content=b"abc").status_code == 200
    return f"/uploads/{started['videoId']}"


def _take_parts_away(api: Api) -> dict[str, str]:
    (record,) = api.records()
    assert record.direct
    at = {"Bucket": api.foundation.bucket, "Key": original_key(record.video_id)}
    api.s3.abort_multipart_upload(**at, UploadId=record.direct.upload_id)
    return at


def _said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_whoever_asks_while_parts_are_put_together_is_asked_to_come_back(
    shared_proxied: tuple[Api, AwsProxy], sent: str
):
    api, proxy = shared_proxied
    asked: list[httpx.Response] = []

    def take_long() -> None:
        at = _take_parts_away(api)
        asked.append(api.client.get(sent))
        asked.append(api.client.post(f"{sent}/complete"))
        asked.append(api.client.delete(sent))
        api.s3.put_object(**at, Body=b"abc")

    proxy.intercept(is_completion, before=take_long, status=404)
    assert api.client.post(f"{sent}/complete").status_code == 200
    assert [_said(answer) for answer in asked] == [(503, "upload-completing")] * 3
    assert {answer.headers["retry-after"] for answer in asked} == {"5"}
    (record,) = api.records()
    assert record.status is Status.QUEUED


def test_a_completion_that_never_reached_the_bucket_is_gone_on_with(shared_proxied: tuple[Api, AwsProxy], sent: str):
    api, proxy = shared_proxied
    proxy.intercept(is_completion, status=403)
    assert _said(api.client.post(f"{sent}/complete")) == (503, "unavailable")
    seen: dict[str, Any] = api.client.get(sent).json()
    assert (seen["complete"], seen["arrived"], seen["missing"]) == (False, [1], [])
    proxy.clear()
    assert api.client.post(f"{sent}/complete").status_code == 200


def test_a_completion_that_came_to_nothing_is_an_aborted_upload_in_the_end(
    shared_proxied: tuple[Api, AwsProxy], sent: str
):
    api, proxy = shared_proxied
    proxy.intercept(is_completion, before=lambda: _take_parts_away(api), status=404)
    assert _said(api.client.post(f"{sent}/complete")) == (503, "unavailable")
    assert _said(api.client.get(sent)) == (503, "upload-completing")
    (record,) = api.records()
    assert record.direct
    record.direct = replace(record.direct, completing_since=int(time.time()) - COMPLETION_SECONDS)
    api.put_record(record)
    assert _said(api.client.get(sent)) == (409, "conflict")
    assert api.client.delete(sent).status_code == 204


def test_an_original_that_cannot_be_looked_for_is_not_taken_for_absent(shared_proxied: tuple[Api, AwsProxy], sent: str):
    api, proxy = shared_proxied
    at = _take_parts_away(api)
    api.s3.put_object(**at, Body=b"abc")
    proxy.intercept(is_operation("HeadObject"), status=403)
    assert [_said(api.client.request(method, sent)) for method in ("GET", "DELETE")] == [(503, "unavailable")] * 2
