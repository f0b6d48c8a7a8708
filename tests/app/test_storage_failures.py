"""S3 and DynamoDB that fail, lose their answers, or hang, at any write."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.app.conftest import Api
from tests.aws_proxy import AwsProxy, Seen, is_operation, is_write
from tests.conftest import Foundation

from vodstack_contracts.videos import Status

TWO_PARTS = b"0" * (5 * 1024 * 1024 + 1)


@pytest.fixture
def proxy(foundation: Foundation) -> Iterator[AwsProxy]:
    with AwsProxy(foundation.endpoint_url) as running:
        yield running


@pytest.fixture
def api(serve: Callable[..., Api], proxy: AwsProxy) -> Api:
    return serve(AWS_ENDPOINT_URL=proxy.url)


def test_an_upload_writes_in_the_order_that_survives_crashes(api: Api, proxy: AwsProxy):
    assert api.upload(TWO_PARTS).status_code == 201
    assert proxy.operations() == [
        "PutItem",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPart",
        "UpdateItem",
        "CompleteMultipartUpload",
        "UpdateItem",
    ]


@pytest.mark.parametrize(
    ("operation", "status"),
    [("PutItem", 500), ("CreateMultipartUpload", 503), ("UploadPart", 500), ("CompleteMultipartUpload", 429)],
)
def test_a_write_that_keeps_failing_or_is_throttled_is_unavailable_and_leaves_nothing(
    api: Api, proxy: AwsProxy, operation: str, status: int
):
    proxy.intercept(is_operation(operation), status=status)
    answer = api.upload(TWO_PARTS, title="x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"] == "urn:vodstack:problem:unavailable"
    api.assert_nothing_left()


def test_a_description_that_cannot_be_written_leaves_nothing(api: Api, proxy: AwsProxy):
    proxy.intercept(is_operation("UpdateItem"), status=500)
    assert api.upload(TWO_PARTS).status_code == 503
    api.assert_nothing_left()


def test_a_stored_upload_is_answered_even_where_it_cannot_be_marked(api: Api, proxy: AwsProxy):
    def marks(seen: Seen) -> bool:
        return seen.operation == "UpdateItem" and b"queued" in seen.body

    proxy.intercept(marks, status=500)
    answer = api.upload(TWO_PARTS)
    assert answer.status_code == 201
    (record,) = api.records()
    assert record.status is Status.UPLOADING
    assert api.original(answer.json()["videoId"]) == TWO_PARTS


@pytest.mark.parametrize("nth", [1, *(pytest.param(nth, marks=pytest.mark.prove) for nth in range(2, 6)), 6, 7])
def test_an_answer_that_is_lost_once_makes_no_second_video(api: Api, proxy: AwsProxy, nth: int):
    lost = proxy.intercept(is_write, nth=nth, lose=True)
    answer = api.upload(TWO_PARTS, title="x")
    assert lost.count >= 7
    assert answer.status_code == 201
    (record,) = api.records()
    assert (record.status, record.expires_at, record.title) == (Status.QUEUED, None, "x")
    assert api.objects() == [f"originals/{record.video_id}/source"]


def test_a_completion_of_which_nothing_is_known_keeps_the_record(api: Api, proxy: AwsProxy):
    proxy.intercept(is_operation("CompleteMultipartUpload"), lose=True)
    proxy.intercept(is_operation("HeadObject"), status=500)
    assert api.upload(TWO_PARTS).status_code == 503
    (record,) = api.records()
    assert (record.status, record.expires_at is None) == (Status.UPLOADING, False)
    assert api.objects() == [f"originals/{record.video_id}/source"]


def test_a_worker_that_is_faster_than_the_api_is_not_set_back(api: Api, proxy: AwsProxy):
    def finish() -> None:
        (record,) = api.records()
        record.status = Status.FAILED
        record.expires_at = None
        api.put_record(record)

    proxy.intercept(is_operation("CompleteMultipartUpload"), after=finish)
    assert api.upload(b"x").status_code == 201
    (record,) = api.records()
    assert record.status is Status.FAILED


def test_a_video_deleted_while_it_is_uploaded_is_a_conflict(api: Api, proxy: AwsProxy):
    def delete() -> None:
        (record,) = api.records()
        record.status = Status.DELETED
        api.put_record(record)

    proxy.intercept(is_operation("UploadPart"), after=delete)
    answer = api.upload(b"x")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:vodstack:problem:conflict")
    assert (api.objects(), api.open_uploads()) == ([], [])


@pytest.mark.parametrize("operation", ["GetItem"])
def test_a_read_that_fails_is_unavailable(api: Api, proxy: AwsProxy, operation: str):
    video_id = api.upload(b"x").json()["videoId"]
    proxy.intercept(is_operation(operation), status=500)
    assert api.client.get(f"/videos/{video_id}").status_code == 503


@pytest.mark.prove
@pytest.mark.parametrize("operation", ["GetItem", "Query"])
def test_a_table_that_never_answers_is_given_up_in_bounded_time(api: Api, proxy: AwsProxy, operation: str):
    video_id = api.upload(b"x").json()["videoId"]
    end = threading.Event()
    proxy.intercept(is_operation(operation), before=lambda: end.wait(120))
    try:
        answer = api.client.get(f"/videos/{video_id}" if operation == "GetItem" else "/videos", timeout=60)
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
