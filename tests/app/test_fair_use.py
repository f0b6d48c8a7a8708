"""How often an owner may ask, and how much they may store, whichever process they meet."""

import base64
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.app.conftest import Api, serving
from tests.app.issuer import Issuer
from tests.aws_proxy import AwsProxy, is_operation
from tests.conftest import Foundation

from vodstack_contracts.fair_use import day_of, encoded_key
from vodstack_contracts.videos import Status

LIMIT = 10
START: dict[str, Any] = {"fileName": "a.mp4", "sizeBytes": 6, "contentType": "video/mp4"}
TOO_MANY = "urn:vodstack:problem:too-many-requests"
USED_UP = "urn:vodstack:problem:encoding-used-up"
FULL = "urn:vodstack:problem:storage-full"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def pair(shared_api: Api, issuer: Issuer) -> Iterator[tuple[Api, Api]]:
    """Two processes' worth of API with limits, on what the shared one stands on."""
    limits = {"VODSTACK_REQUESTS_PER_MINUTE": "40", "VODSTACK_STORED_BYTES": str(LIMIT)}
    limits |= {"VODSTACK_ENCODED_MINUTES_PER_DAY": "60"}
    foundation = shared_api.foundation
    with (
        serving(foundation, **limits, **issuer.settings()) as first,
        serving(foundation, **limits, **issuer.settings()) as second,
    ):
        yield first, second


@pytest.fixture
def both(api: Api, pair: tuple[Api, Api], issuer: Issuer) -> tuple[Api, Api]:
    """They, and a client of theirs who has asked for nothing so far."""
    for each in pair:
        each.client.headers["Authorization"] = f"Bearer {issuer.token(sub=uuid.uuid4().hex)}"
    pair[1].client.headers = pair[0].client.headers
    return pair


def _said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("type", "")


def _usage(api: Api) -> dict[str, Any]:
    items = api.dynamodb.scan(TableName=api.foundation.work_table)["Items"]
    return max(
        (item for item in items if item["pk"]["S"].startswith("usage#")), key=lambda item: item["counted_at"]["N"]
    )


def _age(api: Api, **changes: str) -> None:
    """Let the counters be of an hour ago."""
    for item in api.dynamodb.scan(TableName=api.foundation.work_table)["Items"]:
        if item["pk"]["S"].startswith("usage#"):
            past = {name: {"N": str(time.time() - 3600)} for name in ("counted_at", "charged_at")}
            changed = {name: {"N": value} for name, value in changes.items()}
            api.dynamodb.put_item(TableName=api.foundation.work_table, Item=item | past | changed)


def test_requests_are_counted_across_processes_and_refused_beyond_the_limit(both: tuple[Api, Api], issuer: Issuer):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: both[number % 2].client.get("/videos"), range(100)))
    refused = [answer for answer in answers if answer.status_code != 200]
    # The minute may have ended meanwhile, and another begun.
    assert 20 <= len(refused) <= 60
    assert {_said(answer) for answer in refused} == {(429, TOO_MANY)}
    last = refused[-1].headers
    assert 1 <= int(last["retry-after"]) <= 60
    assert last["ratelimit-policy"] == '"requests";q=40;w=60'
    assert last["ratelimit"] == f'"requests";r=0;t={last["retry-after"]}'
    other = {"Authorization": f"Bearer {issuer.token(sub=uuid.uuid4().hex)}"}
    assert both[0].client.get("/videos", headers=other).status_code == 200
    assert both[0].client.get("/livez").status_code == 200


def test_most_requests_cost_no_write(serve: Callable[..., Api], foundation: Foundation):
    with AwsProxy(foundation.endpoint_url) as proxy:
        api = serve(AWS_ENDPOINT_URL=proxy.url, VODSTACK_REQUESTS_PER_MINUTE="1000")
        assert {api.client.get("/videos").status_code for _ in range(20)} == {200}
        # One draw is for 20, and another minute may have begun.
        assert 1 <= len(proxy.operations()) <= 2


def test_a_table_that_cannot_count_stops_nobody(serve: Callable[..., Api], foundation: Foundation):
    with AwsProxy(foundation.endpoint_url) as proxy:
        api = serve(AWS_ENDPOINT_URL=proxy.url, VODSTACK_REQUESTS_PER_MINUTE="1")
        proxy.intercept(is_operation("UpdateItem"), status=500)
        assert [api.client.get("/videos").status_code for _ in range(3)] == [200, 200, 200]


def test_an_upload_beyond_the_owners_share_leaves_nothing(both: tuple[Api, Api]):
    first, second = both
    assert first.upload(b"123456").status_code == 201
    assert _said(second.upload(b"12345")) == (403, FULL)
    assert _said(second.client.post("/uploads", json=START)) == (403, FULL)
    assert (len(first.records()), len(first.objects()), first.open_uploads()) == (1, 1, [])
    assert second.upload(b"1234").status_code == 201
    refused = first.upload(b"1")
    assert (_said(refused), refused.headers["retry-after"]) == ((403, FULL), "60")


def _encode(api: Api, minutes: float) -> None:
    """Let the workers have counted so much of the client's videos today."""
    token = api.client.headers["Authorization"].split(" ")[1].split(".")[1]
    owner = json.loads(base64.urlsafe_b64decode(token + "==="))["sub"]
    item = encoded_key(owner, day_of(time.time())) | {"minutes": {"N": str(minutes)}}
    api.dynamodb.put_item(TableName=api.foundation.work_table, Item=item)


def test_uploads_are_refused_for_the_day_once_its_minutes_are_encoded(both: tuple[Api, Api]):
    api = both[0]
    key = {"Idempotency-Key": uuid.uuid4().hex}
    send: dict[str, Any] = {"files": {"file": ("a.mp4", b"1", "video/mp4")}, "headers": key}
    _encode(api, 59.9)
    first = api.client.post("/videos", **send)
    assert first.status_code == 201
    _encode(api, 60)
    for refused in (api.upload(b"1"), api.client.post("/uploads", json=START)):
        assert _said(refused) == (429, USED_UP)
        left = int(refused.headers["retry-after"])
        assert 1 <= left <= 86_400
        assert refused.headers["ratelimit-policy"] == '"encoded-minutes";q=60;w=86400'
        assert refused.headers["ratelimit"] == f'"encoded-minutes";r=0;t={left}'
    assert api.client.post("/videos", **send).json() == first.json(), "what is there already is no further upload"
    assert api.client.get("/videos").status_code == 200
    assert (len(api.records()), api.open_uploads()) == (1, [])


def test_a_file_that_says_it_is_too_large_is_refused_before_it_is_sent(both: tuple[Api, Api]):
    api = both[0]
    head = (
        "POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: 3000000\r\nAuthorization: {api.client.headers['Authorization']}\r\n\r\n"
    )
    with socket.create_connection(api.address) as line:
        line.sendall(head.encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_of_uploads_at_the_same_time_no_more_than_fit_become_videos(both: tuple[Api, Api]):
    assert both[0].upload(b"1").status_code == 201
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: both[number % 2].upload(b"1234"), range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 403, 403, 403, 403]
    assert len(both[0].objects()) == 3


def test_room_comes_back_with_a_deletion_an_abort_and_a_failed_upload(both: tuple[Api, Api]):
    api = both[0]
    video_id = api.upload(b"123456").json()["videoId"]
    assert api.client.delete(f"/videos/{video_id}").status_code == 204
    started = api.client.post("/uploads", json=START).json()["videoId"]
    assert _usage(api)["stored_bytes"]["N"] == "6"
    assert api.client.delete(f"/uploads/{started}").status_code == 204
    assert api.upload(b"12345", title="x" * 501).status_code == 400
    assert _usage(api)["stored_bytes"]["N"] == "0"


def test_what_a_crash_left_counted_is_found_before_anybody_is_refused(both: tuple[Api, Api]):
    api = both[0]
    assert api.upload(b"123").status_code == 201
    _age(api, stored_bytes="9")
    assert api.upload(b"1234567").status_code == 201
    assert _usage(api)["stored_bytes"]["N"] == "10"


def test_what_was_stored_before_there_was_a_limit_counts(both: tuple[Api, Api], issuer: Issuer, api: Api):
    limited = both[0]
    video_id = limited.upload(b"123456").json()["videoId"]
    for item in api.dynamodb.scan(TableName=api.foundation.work_table)["Items"]:
        api.dynamodb.delete_item(TableName=api.foundation.work_table, Key={"pk": item["pk"], "sk": item["sk"]})
    assert _said(limited.upload(b"12345")) == (403, FULL)
    (record,) = limited.records()
    assert (record.video_id, record.status) == (video_id, Status.QUEUED)
