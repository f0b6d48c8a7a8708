"""S3 and DynamoDB that fail, lose their answers, or hang, at any write."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.app.conftest import Api, serving
from tests.aws_proxy import AwsProxy, Seen, is_operation, is_write

from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status

SMALL = b"0"
SMALL_WRITES = ["PutItem", "PutObject", "UpdateItem"]
TWO_PARTS = b"0" * (5 * 1024 * 1024 + 1)
WRITES = [
    "PutItem",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPart",
    "UpdateItem",
    "CompleteMultipartUpload",
    "UpdateItem",
]
DAY_SECONDS = 24 * 3600
in_both_ways = pytest.mark.parametrize("content", [SMALL, TWO_PARTS], ids=["small", "large"])


@pytest.fixture
def proxied(shared_proxied: tuple[Api, AwsProxy]) -> Api:
    return shared_proxied[0]


@pytest.fixture
def proxy(shared_proxied: tuple[Api, AwsProxy]) -> AwsProxy:
    return shared_proxied[1]


@pytest.mark.parametrize(("content", "writes"), [(SMALL, SMALL_WRITES), (TWO_PARTS, WRITES)], ids=["small", "large"])
def test_an_upload_writes_in_the_order_that_survives_crashes(
    proxied: Api, proxy: AwsProxy, content: bytes, writes: list[str]
):
    assert proxied.upload(content).status_code == 201
    assert proxy.operations() == writes


@pytest.mark.parametrize(
    ("content", "operation", "status"),
    [
        (SMALL, "PutItem", 500),
        (TWO_PARTS, "PutItem", 500),
        (TWO_PARTS, "CreateMultipartUpload", 503),
        (TWO_PARTS, "UploadPart", 500),
        (TWO_PARTS, "UpdateItem", 500),
        (TWO_PARTS, "CompleteMultipartUpload", 429),
    ],
    ids=lambda value: len(value) if isinstance(value, bytes) else None,
)
def test_a_write_that_keeps_failing_or_is_throttled_is_unavailable_and_leaves_nothing(
    proxied: Api, proxy: AwsProxy, content: bytes, operation: str, status: int
):
    proxy.intercept(is_operation(operation), status=status)
    answer = proxied.upload(content, title="x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"] == "urn:vodstack:problem:unavailable"
    proxied.assert_nothing_left()


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 403}, {"lose": True}], ids=str)
def test_a_small_upload_that_may_arrive_late_is_no_video_and_gone_in_a_day(
    proxied: Api, proxy: AwsProxy, fault: dict[str, Any]
):
    proxy.intercept(is_operation("PutObject"), **fault)
    proxy.intercept(is_operation("HeadObject"), status=404 if "status" in fault else 500)
    assert proxied.upload(SMALL, title="secret").status_code == 503
    assert proxied.client.get("/videos").json()["videos"] == []
    (record,) = proxied.records()
    assert (record.status, record.title) == (Status.DELETED, "")
    assert record.deletion
    assert record.deletion.purge_at == record.deletion.deleted_at + DAY_SECONDS
    proxied.s3.put_object(Bucket=proxied.foundation.bucket, Key=original_key(record.video_id), Body=SMALL)
    past = int(time.time()) - 1
    record.deletion = type(record.deletion)(deleted_at=past - DAY_SECONDS, purge_at=past)
    proxied.put_record(record)
    with serving(proxied.foundation):
        while proxied.records():
            pass
    proxied.assert_nothing_left()


def test_a_small_upload_that_has_been_found_by_a_worker_is_not_taken_back(proxied: Api, proxy: AwsProxy):
    def take() -> None:
        (record,) = proxied.records()
        record.status = Status.PROCESSING
        proxied.put_record(record)

    proxy.intercept(is_operation("PutObject"), after=take, lose=True)
    proxy.intercept(is_operation("HeadObject"), status=500)
    assert proxied.upload(SMALL).status_code == 503
    assert [record.status for record in proxied.records()] == [Status.PROCESSING]


def test_a_small_upload_that_nobody_can_take_back_lapses_unless_it_arrives(proxied: Api, proxy: AwsProxy):
    proxy.intercept(is_operation("PutObject"), status=500)
    proxy.intercept(is_operation("UpdateItem"), status=500)
    assert proxied.upload(SMALL).status_code == 503
    (record,) = proxied.records()
    assert record.status is Status.UPLOADING
    assert record.expires_at
    assert time.time() < record.expires_at <= time.time() + DAY_SECONDS


def test_a_small_upload_that_the_api_left_within_its_call_is_no_video_though_it_arrives(proxied: Api, proxy: AwsProxy):
    held = proxy.hold(is_operation("PutObject"))
    with ThreadPoolExecutor(1) as pool:
        with serving(proxied.foundation, AWS_ENDPOINT_URL=proxy.url, VODSTACK_SHUTDOWN_GRACE_SECONDS="0") as leaving:
            sending = pool.submit(httpx.post, f"{leaving.url}/videos", files={"file": SMALL}, timeout=60)
            held.wait_for_it()
        assert [record.status for record in proxied.records()] == [Status.DELETED]
        held.release()
        assert sending.exception() or sending.result().status_code >= 500
    while not proxied.objects():
        pass
    assert proxied.living() == []


@pytest.fixture
def limited(proxied: Api, proxy: AwsProxy) -> Iterator[Api]:
    """An owner may store ten bytes, and has stored none."""
    with serving(proxied.foundation, AWS_ENDPOINT_URL=proxy.url, VODSTACK_STORED_BYTES="10") as api:
        yield api
    counter = {"pk": {"S": "usage#anonymous"}, "sk": {"S": "stored"}}
    proxied.dynamodb.delete_item(TableName=proxied.foundation.work_table, Key=counter)


def test_what_is_taken_back_is_not_counted(limited: Api, proxy: AwsProxy):
    proxy.intercept(is_operation("PutObject"), status=403)
    assert limited.upload(b"0" * 10).status_code == 503
    proxy.interceptions.clear()
    assert limited.upload(b"0" * 10).status_code == 201
    assert limited.upload(SMALL).status_code == 403


def test_what_its_owner_deletes_before_it_is_taken_back_is_counted_off_once(limited: Api, proxy: AwsProxy):
    def delete() -> None:
        (record,) = (each for each in limited.living() if each.status is Status.UPLOADING)
        assert limited.client.delete(f"/videos/{record.video_id}").status_code == 204

    assert limited.upload(b"0" * 6).status_code == 201
    proxy.intercept(is_operation("PutObject"), before=delete, status=403)
    assert limited.upload(b"0" * 4).status_code == 503
    proxy.interceptions.clear()
    assert limited.upload(b"0" * 5).status_code == 403


@in_both_ways
def test_a_stored_upload_is_answered_even_where_it_cannot_be_marked(proxied: Api, proxy: AwsProxy, content: bytes):
    def marks(seen: Seen) -> bool:
        return seen.operation == "UpdateItem" and b"queued" in seen.body

    proxy.intercept(marks, status=500)
    answer = proxied.upload(content)
    assert answer.status_code == 201
    (record,) = proxied.records()
    assert record.status is Status.UPLOADING
    assert proxied.original(answer.json()["videoId"]) == content


@pytest.mark.parametrize(
    ("content", "nth"),
    [
        *((SMALL, nth) for nth in range(1, len(SMALL_WRITES) + 1)),
        *((TWO_PARTS, nth) for nth in (1, 6)),
        *(pytest.param(TWO_PARTS, nth, marks=pytest.mark.prove) for nth in (2, 3, 4, 5, 7)),
    ],
    ids=lambda value: len(value) if isinstance(value, bytes) else None,
)
def test_an_answer_that_is_lost_once_makes_no_second_video(proxied: Api, proxy: AwsProxy, content: bytes, nth: int):
    lost = proxy.intercept(is_write, nth=nth, lose=True)
    answer = proxied.upload(content, title="x")
    assert lost.count > nth
    assert answer.status_code == 201
    (record,) = proxied.records()
    assert (record.status, record.expires_at, record.title) == (Status.QUEUED, None, "x")
    assert proxied.objects() == [original_key(record.video_id)]


@in_both_ways
def test_an_upload_whose_arrival_is_seen_is_answered_though_its_answer_is_lost(
    proxied: Api, proxy: AwsProxy, content: bytes
):
    proxy.intercept(is_operation("PutObject", "CompleteMultipartUpload"), lose=True)
    assert proxied.upload(content).status_code == 201
    assert [record.status for record in proxied.records()] == [Status.QUEUED]


def test_a_completion_of_which_nothing_is_known_keeps_the_record(proxied: Api, proxy: AwsProxy):
    proxy.intercept(is_operation("CompleteMultipartUpload"), lose=True)
    proxy.intercept(is_operation("HeadObject"), status=500)
    assert proxied.upload(TWO_PARTS).status_code == 503
    (record,) = proxied.records()
    assert (record.status, record.expires_at is None) == (Status.UPLOADING, False)
    assert proxied.objects() == [original_key(record.video_id)]


@in_both_ways
def test_a_worker_that_is_faster_than_the_api_is_not_set_back(proxied: Api, proxy: AwsProxy, content: bytes):
    def finish() -> None:
        (record,) = proxied.records()
        record.status = Status.FAILED
        record.expires_at = None
        proxied.put_record(record)

    proxy.intercept(is_operation("PutObject", "CompleteMultipartUpload"), after=finish)
    assert proxied.upload(content).status_code == 201
    (record,) = proxied.records()
    assert record.status is Status.FAILED


def test_a_small_video_deleted_while_it_is_uploaded_is_a_conflict_and_leaves_no_object(
    proxied: Api, proxy: AwsProxy, api: Api
):
    def delete() -> None:
        (record,) = proxied.living()
        assert api.client.delete(f"/videos/{record.video_id}").status_code == 204

    proxy.intercept(is_operation("PutObject"), nth=1, before=delete)
    answer = proxied.upload(SMALL)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:vodstack:problem:conflict")
    assert (proxied.living(), proxied.objects()) == ([], [])


def test_a_large_video_deleted_while_it_is_uploaded_is_a_conflict_and_leaves_no_part(proxied: Api, proxy: AwsProxy):
    def delete() -> None:
        (record,) = proxied.records()
        record.status = Status.DELETED
        proxied.put_record(record)

    proxy.intercept(is_operation("UploadPart"), nth=1, after=delete)
    answer = proxied.upload(TWO_PARTS)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:vodstack:problem:conflict")
    assert (proxied.living(), proxied.objects(), proxied.open_uploads()) == ([], [], [])


@pytest.mark.parametrize("operation", ["GetItem"])
def test_a_read_that_fails_is_unavailable(proxied: Api, proxy: AwsProxy, operation: str):
    video_id = proxied.upload(b"x").json()["videoId"]
    proxy.intercept(is_operation(operation), status=500)
    assert proxied.client.get(f"/videos/{video_id}").status_code == 503


@pytest.mark.prove
@pytest.mark.parametrize("operation", ["GetItem", "Query"])
def test_a_table_that_never_answers_is_given_up_in_bounded_time(proxied: Api, proxy: AwsProxy, operation: str):
    video_id = proxied.upload(b"x").json()["videoId"]
    end = threading.Event()
    proxy.intercept(is_operation(operation), before=lambda: end.wait(120))
    try:
        answer = proxied.client.get(f"/videos/{video_id}" if operation == "GetItem" else "/videos", timeout=60)
    finally:
        end.set()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_storage_that_is_gone_is_unavailable(serve: Callable[..., Api]):
    with socket.socket() as gone:
        # Bound, so that it is nobody else's, and not listening, so that it refuses.
        gone.bind(("127.0.0.1", 0))
        api = serve(AWS_ENDPOINT_URL=f"http://127.0.0.1:{gone.getsockname()[1]}")
        for method, path in (("GET", "/videos"), ("DELETE", "/videos/0200c014-987b-4c5e-82bc-5fa62e2d2e97")):
            answer = api.client.request(method, path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert api.upload(b"x").status_code == 503
        assert api.client.get("/readyz").status_code == 503
        assert api.client.get("/livez").status_code == 200
