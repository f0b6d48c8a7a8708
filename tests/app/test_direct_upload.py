"""Uploads that go to the bucket part by part, whatever breaks on the way."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from aiobotocore.session import get_session
from tests.app.conftest import Api, ApiProcess
from tests.aws_proxy import AwsProxy, is_operation
from tests.conftest import Foundation

from vodstack_app.uploads.orphans import Orphans
from vodstack_app.uploads.plan import MOST_PARTS, SMALLEST_PART_BYTES, make_plan
from vodstack_app.videos.records import Records
from vodstack_contracts.jobs import decode_arrivals
from vodstack_contracts.videos import Status

MIB = 1024 * 1024
SIZE = SMALLEST_PART_BYTES + 5
FILE: dict[str, Any] = {"fileName": "../clip.mp4", "sizeBytes": SIZE, "contentType": "video/mp4"}
ELSEWHERE = "/uploads/0200c014-987b-4c5e-82bc-5fa62e2d2e97"


def _start(api: Api, **changes: object) -> dict[str, Any]:
    answer = api.client.post("/uploads", json=FILE | changes)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/uploads/{answer.json()['videoId']}"
    return answer.json()


def _put(part: dict[str, Any], content: bytes) -> None:
    start = (part["number"] - 1) * SMALLEST_PART_BYTES
    answer = httpx.put(part["url"], content=content[start : start + part["sizeBytes"]])
    assert answer.status_code == 200, answer.text


def _look(api: Api, video_id: str) -> dict[str, Any]:
    answer = api.client.get(f"/uploads/{video_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def _complete(api: Api, video_id: str) -> httpx.Response:
    return api.client.post(f"/uploads/{video_id}/complete")


def test_parts_may_come_in_any_order_and_make_the_whole_file(api: Api):
    content = os.urandom(SIZE)
    started = _start(api, title="Hello", tags=["a", "b", "a"], metadata={"camera": "north"})
    assert [part["sizeBytes"] for part in started["missing"]] == [SMALLEST_PART_BYTES, 5]
    (record,) = api.records()
    assert (record.status, record.owner, record.size_bytes) == (Status.UPLOADING, "anonymous", SIZE)
    assert record.expires_at
    assert record.expires_at > time.time() + 3600
    for part in reversed(started["missing"]):
        _put(part, content)
    assert api.objects() == []
    answer = _complete(api, started["videoId"])
    assert (answer.status_code, answer.json()) == (200, {"videoId": started["videoId"]})
    assert api.original(started["videoId"]) == content
    (record,) = api.records()
    assert (record.status, record.expires_at, record.direct) == (Status.QUEUED, None, None)
    assert (record.title, record.tags, record.metadata) == ("Hello", ["a", "b"], {"camera": "north"})
    assert (record.file_name, record.content_type) == ("clip.mp4", "video/mp4")
    assert api.open_uploads() == []


def test_what_has_arrived_is_told_and_only_the_rest_asked_for(api: Api):
    content = os.urandom(SIZE)
    started = _start(api)
    _put(started["missing"][1], content)
    seen = _look(api, started["videoId"])
    assert (seen["arrived"], [part["number"] for part in seen["missing"]]) == ([2], [1])
    _put(seen["missing"][0], content)
    assert _complete(api, started["videoId"]).status_code == 200
    assert api.original(started["videoId"]) == content


def test_a_url_is_good_for_its_part_alone_of_its_size_for_an_hour(api: Api):
    query = parse_qs(urlsplit(_start(api)["missing"][1]["url"]).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
    assert (query["partNumber"], query["X-Amz-Expires"]) == (["2"], ["3600"])


def test_a_part_of_another_size_has_not_arrived(api: Api):
    started = _start(api)
    direct = api.records()[0].direct
    assert direct
    for number in (1, 2):
        key = f"originals/{started['videoId']}/source"
        api.s3.upload_part(
            Bucket=api.foundation.bucket, Key=key, UploadId=direct.upload_id, PartNumber=number, Body=b"1234"
        )
    assert _look(api, started["videoId"])["arrived"] == []
    answer = _complete(api, started["videoId"])
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:vodstack:problem:incomplete-upload")
    assert "2 parts" in answer.json()["detail"]
    assert api.objects() == []


def test_completing_again_does_no_harm(api: Api):
    started = _start(api, sizeBytes=3)
    _put(started["missing"][0], b"abc")
    assert [_complete(api, started["videoId"]).status_code for _ in range(2)] == [200, 200]
    seen = _look(api, started["videoId"])
    assert (seen["complete"], seen["missing"]) == (True, [])


def test_an_aborted_upload_leaves_nothing(api: Api):
    started = _start(api)
    _put(started["missing"][1], b"0" * SIZE)
    assert api.client.delete(f"/uploads/{started['videoId']}").status_code == 204
    api.assert_nothing_left()
    assert _complete(api, started["videoId"]).status_code == 404


def test_a_complete_upload_cannot_be_aborted(api: Api):
    started = _start(api, sizeBytes=3)
    _put(started["missing"][0], b"abc")
    _complete(api, started["videoId"])
    assert api.client.delete(f"/uploads/{started['videoId']}").status_code == 409
    assert api.original(started["videoId"]) == b"abc"


def test_parts_that_the_bucket_has_cleared_away_make_a_conflict(api: Api):
    started = _start(api)
    direct = api.records()[0].direct
    assert direct
    api.s3.abort_multipart_upload(
        Bucket=api.foundation.bucket, Key=f"originals/{started['videoId']}/source", UploadId=direct.upload_id
    )
    assert _complete(api, started["videoId"]).status_code == 409
    assert api.client.delete(f"/uploads/{started['videoId']}").status_code == 204


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"sizeBytes": 0}, 400, "sizeBytes"),
        ({"sizeBytes": 20 * 1024**3 + 1}, 400, "sizeBytes"),
        ({"contentType": "text/html"}, 400, "contentType"),
        ({"contentType": "video/mp4\r\nX-Injected: 1"}, 400, "contentType"),
        ({"contentType": "video/mp4\n"}, 400, "contentType"),
        ({"sizeByte": 5}, 400, "sizeByte"),
        ({"fileName": ""}, 400, "fileName"),
        ({"title": "x" * 501}, 400, "title"),
        ({"tags": ["a,b"]}, 400, "tags"),
        ({"metadata": {"a": "x" * 17_000}}, 400, "metadata"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_anything_is_made(
    api: Api, changes: dict[str, object], status: int, field: str
):
    answer = api.client.post("/uploads", json=FILE | changes)
    assert (answer.status_code, field in answer.text) == (status, True)
    api.assert_nothing_left()


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/complete"), ("DELETE", "")])
def test_an_unknown_upload_is_not_found(api: Api, method: str, path: str):
    assert api.client.request(method, ELSEWHERE + path).status_code == 404


@pytest.mark.parametrize("size", [1, SMALLEST_PART_BYTES, SMALLEST_PART_BYTES + 1, 50 * 1024**3, 1024**4])
def test_a_plan_covers_the_file_with_parts_that_s3_takes(size: int):
    plan = make_plan(size)
    sizes = {number: plan.size_of(number) for number in plan.missing({})}
    assert sum(sizes.values()) == size
    assert [*sizes] == [*range(1, plan.count + 1)]
    assert plan.count <= MOST_PARTS
    assert {*sizes.values()} - {plan.size_of(plan.count)} <= {plan.part_bytes}
    assert plan.missing(sizes) == []
    assert plan.missing({1: sizes[1] + 1}) == [*sizes]


@pytest.fixture
def proxy(foundation: Foundation) -> Iterator[AwsProxy]:
    with AwsProxy(foundation.endpoint_url) as running:
        yield running


STARTING = ("CreateMultipartUpload", "PutItem")
COMPLETING = ("UpdateItem", "CompleteMultipartUpload")


@pytest.mark.prove
@pytest.mark.parametrize("operation", [*STARTING, *COMPLETING, "AbortMultipartUpload"])
def test_a_kill_loses_no_arrived_video_and_leaves_nothing_that_lasts(
    start_process: Callable[..., ApiProcess], proxy: AwsProxy, operation: str
):
    api = start_process(AWS_ENDPOINT_URL=proxy.url)

    def kill() -> None:
        api.process.kill()
        api.process.wait()

    killed = proxy.intercept(is_operation(operation), nth=1, after=kill)
    with pytest.raises(httpx.TransportError):
        _go_through(api, abort=operation == "AbortMultipartUpload")
    assert killed.count == 1
    records = api.records()
    if api.objects():
        (record,) = records
        assert record.status in {Status.UPLOADING, Status.QUEUED}
        assert record.video_id in _arrivals(api)
    else:
        assert all(record.expires_at and record.expires_at > time.time() for record in records)
        assert all(record.status is Status.UPLOADING for record in records)
        for record in records:
            record.expires_at = int(time.time())
            api.put_record(record)
    _clear_orphans(api)
    assert api.open_uploads() == []


def _clear_orphans(api: Api, sweeps: int = 2) -> None:
    async def clear() -> None:
        session: Any = get_session()
        environment = api.foundation.environment
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        place = {"endpoint_url": environment["AWS_ENDPOINT_URL"], "region_name": environment["AWS_REGION"], **keys}
        async with session.create_client("s3", **place) as s3, session.create_client("dynamodb", **place) as dynamodb:
            records = Records(dynamodb, api.foundation.videos_table)
            orphans = Orphans(s3, api.foundation.bucket, records)
            for _ in range(sweeps):
                await orphans.clear()

    asyncio.run(clear())


def test_uploads_that_no_living_record_tells_of_are_cleared_away_at_the_second_look(api: Api):
    living, lapsed = _start(api)["videoId"], _start(api)["videoId"]
    unknown = "originals/0200c014-987b-4c5e-82bc-5fa62e2d2e97/source"
    api.s3.create_multipart_upload(Bucket=api.foundation.bucket, Key=unknown)
    api.s3.create_multipart_upload(Bucket=api.foundation.bucket, Key="renditions/x")
    for record in api.records():
        if record.video_id == lapsed:
            record.expires_at = int(time.time())
            api.put_record(record)
    _clear_orphans(api, sweeps=1)
    assert len(api.open_uploads()) == 4
    _clear_orphans(api)
    assert sorted(api.open_uploads()) == [f"originals/{living}/source", "renditions/x"]


def test_a_video_that_is_deleted_while_it_is_sent_leaves_no_parts(api: Api):
    started = _start(api)
    _put(started["missing"][1], b"0" * SIZE)
    assert api.client.delete(f"/videos/{started['videoId']}").status_code == 204
    while api.open_uploads():
        pass
    answer = httpx.put(started["missing"][0]["url"], content=b"0" * SMALLEST_PART_BYTES)
    assert answer.is_error
    assert _complete(api, started["videoId"]).status_code == 404
    assert api.objects() == []


def _go_through(api: Api, *, abort: bool) -> None:
    started = _start(api, sizeBytes=3)
    _put(started["missing"][0], b"abc")
    if abort:
        api.client.delete(f"/uploads/{started['videoId']}")
    _complete(api, started["videoId"])


def test_a_completion_whose_answer_was_lost_can_be_asked_for_again(
    start_process: Callable[..., ApiProcess], proxy: AwsProxy
):
    api = start_process(AWS_ENDPOINT_URL=proxy.url)
    started = _start(api, sizeBytes=3)
    _put(started["missing"][0], b"abc")

    def kill() -> None:
        api.process.kill()
        api.process.wait()

    proxy.intercept(is_operation("CompleteMultipartUpload"), nth=1, after=kill)
    with pytest.raises(httpx.TransportError):
        _complete(api, started["videoId"])
    second = start_process()
    assert _complete(second, started["videoId"]).status_code == 200
    (record,) = second.records()
    assert (record.status, record.expires_at) == (Status.QUEUED, None)


def _arrivals(api: ApiProcess) -> set[str]:
    sqs = api.foundation.client("sqs")
    answer = sqs.receive_message(QueueUrl=api.foundation.queue_url, WaitTimeSeconds=5, MaxNumberOfMessages=10)
    told = [decode_arrivals(message["Body"]) for message in answer.get("Messages", [])]
    return {arrival.video_id for arrivals in told for arrival in arrivals}
