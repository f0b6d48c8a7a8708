"""One key, one video: whoever repeats a request, when, and whatever died meanwhile."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.app.conftest import Api, ApiProcess
from tests.app.issuer import Issuer
from tests.aws_proxy import AwsProxy, is_operation, is_write
from tests.conftest import Foundation

from vodstack_contracts.videos import Status

CONTENT = b"bytes"
LARGE = b"0" * (5 * 1024 * 1024 + 1)
START: dict[str, Any] = {"fileName": "a.mp4", "sizeBytes": 3, "contentType": "video/mp4"}
IN_PROGRESS = "urn:vodstack:problem:request-in-progress"
REUSED = "urn:vodstack:problem:idempotency-key-reused"


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def proxy(foundation: Foundation) -> Iterator[AwsProxy]:
    with AwsProxy(foundation.endpoint_url) as running:
        yield running


def _start(api: Api, key: str, **changes: object) -> httpx.Response:
    return api.client.post("/uploads", json=START | changes, headers={"Idempotency-Key": key})


def _said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("type", "")


def _let_lapse(api: Api) -> None:
    """What the clock does to a claim whose process has died."""
    for item in api.dynamodb.scan(TableName=api.foundation.work_table)["Items"]:
        if "claimed_until" in item:
            api.dynamodb.put_item(TableName=api.foundation.work_table, Item=item | {"claimed_until": {"N": "0"}})


def test_the_same_upload_again_is_the_same_video(api: Api, key: str):
    first = api.upload(CONTENT, key=key, title="Hello", tags="a,b")
    again = api.upload(CONTENT, key=key, tags="a,b", title="Hello")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    (record,) = api.records()
    assert (record.title, record.status) == ("Hello", Status.QUEUED)
    assert api.upload(CONTENT, title="Hello", tags="a,b").json() != first.json()


@pytest.mark.parametrize(("content", "title"), [(b"other", "Hello"), (CONTENT, "Goodbye")])
def test_a_key_is_not_for_another_upload(api: Api, key: str, content: bytes, title: str):
    first = api.upload(CONTENT, key=key, title="Hello")
    assert _said(api.upload(content, key=key, title=title)) == (422, REUSED)
    assert _said(_start(api, key)) == (422, REUSED)
    assert [record.video_id for record in api.records()] == [first.json()["videoId"]]


def test_the_same_start_again_is_the_same_direct_upload(api: Api, key: str):
    first, again = _start(api, key), _start(api, key)
    assert (first.status_code, again.status_code, again.headers["idempotent-replayed"]) == (201, 201, "true")
    assert again.json()["videoId"] == first.json()["videoId"]
    assert [part["number"] for part in again.json()["missing"]] == [1]
    assert len(api.open_uploads()) == len(api.records()) == 1
    assert _said(_start(api, key, title="x")) == (422, REUSED)
    assert _said(api.upload(CONTENT, key=key)) == (422, REUSED)
    api.client.delete(f"/uploads/{first.json()['videoId']}")
    assert _start(api, key).status_code == 404


def test_a_request_that_was_refused_leaves_its_key_free(api: Api, key: str):
    assert api.upload(b"", key=key).status_code == 400
    assert api.upload(CONTENT, key=key, title="x" * 501).status_code == 400
    assert api.upload(CONTENT, key=key).status_code == 201


@pytest.mark.parametrize("bad", ["", "x" * 256, "two words", "\u00e9".encode("latin-1")])
def test_a_key_that_is_no_word_is_refused(api: Api, bad: str | bytes):
    headers: Any = {"Idempotency-Key": bad}
    assert api.client.post("/uploads", json=START, headers=headers).status_code == 400
    assert api.client.post("/videos", files={"file": b"x"}, headers=headers).status_code == 400
    api.assert_nothing_left()


def test_of_requests_at_the_same_time_one_is_at_work(
    serve: Callable[..., Api], start_process: Callable[..., ApiProcess], proxy: AwsProxy, key: str
):
    first, second = serve(AWS_ENDPOINT_URL=proxy.url), start_process()
    held = proxy.hold(is_operation("PutObject"))
    with ThreadPoolExecutor(1) as pool:
        uploading = pool.submit(first.upload, CONTENT, key=key)
        held.wait_for_it()
        refused = second.upload(CONTENT, key=key)
        held.release()
        assert uploading.result().status_code == 201
    assert (_said(refused), refused.headers["retry-after"]) == ((409, IN_PROGRESS), "5")
    assert second.upload(CONTENT, key=key).json() == uploading.result().json()
    assert len(first.records()) == 1


def test_keys_are_each_owners_own(foundation: Foundation, serve: Callable[..., Api], key: str):
    with Issuer() as issuer:
        api = serve(**issuer.settings())
        answers = []
        for subject in ("alice", "bob"):
            api.client.headers["Authorization"] = f"Bearer {issuer.token(sub=subject)}"
            answers.append(api.upload(subject.encode(), key=key))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(api.records()) == 2


# A small upload's are: the claim, the record, the seal, the object, the record's move, the answer.
SMALL_WRITES, SEAL, OBJECT = 6, 3, 4
LARGE_WRITES = 10


def _send(what: str, api: Api) -> httpx.Response:
    contents = {"upload": CONTENT, "large upload": LARGE}
    return api.upload(contents[what], key="a-key") if what in contents else _start(api, "a-key")


@pytest.mark.parametrize(
    ("what", "nth"),
    [
        ("upload", OBJECT),
        *(pytest.param("upload", nth, marks=pytest.mark.prove) for nth in (1, 2, SEAL, 5, SMALL_WRITES)),
        *(pytest.param("large upload", nth, marks=pytest.mark.prove) for nth in range(1, LARGE_WRITES + 1)),
        *(pytest.param("start", nth, marks=pytest.mark.prove) for nth in range(1, 5)),
    ],
)
def test_a_kill_at_any_write_neither_locks_the_key_nor_doubles_the_video(
    start_process: Callable[..., ApiProcess], serve: Callable[..., Api], proxy: AwsProxy, what: str, nth: int
):
    api = start_process(AWS_ENDPOINT_URL=proxy.url)

    def kill() -> None:
        api.process.kill()
        api.process.wait()

    killed = proxy.intercept(is_write, nth=nth, after=kill)
    with pytest.raises(httpx.TransportError):
        _send(what, api)
    assert killed.count >= nth
    second = serve()
    early = _send(what, second)
    _let_lapse(second)
    late = _send(what, second)
    assert _said(early) in {(409, IN_PROGRESS), (201, "")}
    assert late.status_code == 201, late.text
    assert _send(what, second).json()["videoId"] == late.json()["videoId"]
    if what != "start":
        assert second.objects() == [f"originals/{late.json()['videoId']}/source"]
        queued = [record for record in second.living() if record.expires_at is None]
        assert [record.video_id for record in queued] in ([late.json()["videoId"]], [])


@pytest.mark.parametrize(("content", "kept"), [(CONTENT, 0), (LARGE, 1)], ids=["small", "large"])
def test_an_upload_of_which_nothing_is_known_makes_no_second_video(
    shared_proxied: tuple[Api, AwsProxy], key: str, content: bytes, kept: int
):
    api, proxy = shared_proxied
    proxy.intercept(is_operation("PutObject", "CompleteMultipartUpload"), lose=True)
    seeing = proxy.intercept(is_operation("HeadObject"), status=500)
    assert api.upload(content, key=key).status_code == 503
    assert seeing.count
    assert len(api.living()) == kept
    proxy.interceptions.clear()
    again = api.upload(content, key=key)
    assert (again.status_code, "idempotent-replayed" in again.headers) == (201, bool(kept))
    assert [record.video_id for record in api.living()] == [again.json()["videoId"]]


def test_a_request_that_slept_finds_its_video_taken_back(shared_proxied: tuple[Api, AwsProxy], api: Api, key: str):
    slow, proxy = shared_proxied
    held = proxy.hold(is_operation("PutObject"))
    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(slow.upload, CONTENT, key=key)
        held.wait_for_it()
        _let_lapse(api)
        taken_over = api.upload(CONTENT, key=key)
        held.release()
        assert _said(sleeping.result()) == (409, "urn:vodstack:problem:conflict")
    assert (taken_over.status_code, "idempotent-replayed" in taken_over.headers) == (201, False)
    assert [record.video_id for record in api.living()] == [taken_over.json()["videoId"]]
    assert api.objects() == [f"originals/{taken_over.json()['videoId']}/source"]
    assert api.upload(CONTENT, key=key).json() == taken_over.json()


@pytest.mark.parametrize(
    "nth", [1, SEAL, OBJECT, SMALL_WRITES, *(pytest.param(nth, marks=pytest.mark.prove) for nth in (2, 5))]
)
def test_a_write_whose_answer_is_lost_once_makes_no_second_video(
    shared_proxied: tuple[Api, AwsProxy], key: str, nth: int
):
    api, proxy = shared_proxied
    lost = proxy.intercept(is_write, nth=nth, lose=True)
    first = api.upload(CONTENT, key=key)
    assert lost.count > nth
    assert (first.status_code, api.upload(CONTENT, key=key).json()) == (201, first.json())
    (record,) = api.records()
    assert record.status is Status.QUEUED
