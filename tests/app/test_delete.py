"""`DELETE /videos/{id}`: gone at once, and nothing stays behind, whoever dies in between."""

import time
from collections.abc import Callable

import pytest
from tests.app.conftest import Api
from tests.app.test_video import ready_record

from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import DELETED_OWNER, Deletion, Status, VideoRecord, new_video_id, timestamp

PATIENCE_SECONDS = 60
DAY_SECONDS = 24 * 3600


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline


def _store(api: Api, record: VideoRecord) -> None:
    api.put_record(record)
    for key in (original_key(record.video_id), *(f"renditions/{record.video_id}/{n}.m4s" for n in range(3))):
        api.s3.put_object(Bucket=api.foundation.bucket, Key=key, Body=b"x")


def _deleted(deleted_at: int, purge_at: int) -> VideoRecord:
    deletion = Deletion(former_owner="a", deleted_at=deleted_at, purge_at=purge_at)
    return VideoRecord(
        video_id=new_video_id(),
        status=Status.DELETED,
        upload_date=timestamp(),
        updated_at=timestamp(),
        owner=DELETED_OWNER,
        deletion=deletion,
    )


def test_a_deleted_video_is_gone_at_once_and_its_objects_follow(api: Api):
    record, other = ready_record(), ready_record()
    record.owner = other.owner = "anonymous"
    _store(api, record)
    _store(api, other)
    path = f"/videos/{record.video_id}"
    answer = api.client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [api.client.get(path).status_code, api.client.delete(path).status_code] == [404, 404]
    assert api.client.patch(path, json={"title": "x"}).status_code == 404
    assert [video["videoId"] for video in api.client.get("/videos").json()["videos"]] == [other.video_id]
    _wait_until(lambda: not any(record.video_id in key for key in api.objects()))
    assert len(api.objects()) == 4


def test_what_was_said_of_a_deleted_video_goes_and_whose_it_was_stays(api: Api):
    video_id = api.upload(b"x", title="Secret", tags="a", metadata='{"b": "c"}').json()["videoId"]
    api.client.delete(f"/videos/{video_id}")
    (record,) = api.records()
    assert (record.status, record.owner) == (Status.DELETED, DELETED_OWNER)
    assert (record.title, record.tags, record.metadata, record.file_name) == ("", [], {}, "")
    assert record.deletion is not None
    assert record.deletion.former_owner == "anonymous"
    _wait_until(lambda: _is_put_off(api))


def _is_put_off(api: Api) -> bool:
    (record,) = api.records()
    return record.deletion is not None and record.deletion.purge_at == record.deletion.deleted_at + DAY_SECONDS


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.DELETED}))
def test_a_video_can_be_deleted_in_every_state(api: Api, status: Status):
    record = ready_record()
    record.status = status
    api.put_record(record)
    assert api.client.delete(f"/videos/{record.video_id}").status_code == 204
    assert [record.status for record in api.records()] == [Status.DELETED]
    _wait_until(lambda: _is_put_off(api))


def test_an_api_that_starts_finishes_what_another_left(serve: Callable[..., Api]):
    now = int(time.time())
    fresh, settled = _deleted(now - 60, now - 60), _deleted(now - DAY_SECONDS - 60, now - 60)
    waiting = _deleted(now - 60, now + 3600)
    own = serve()
    for record in (waiting, fresh, settled):
        _store(own, record)
    again = serve()
    _wait_until(lambda: len(again.objects()) == 4 and len(again.records()) == 2)
    assert all(waiting.video_id in key for key in again.objects())
    assert {record.video_id for record in again.records()} == {fresh.video_id, waiting.video_id}


def test_a_video_that_is_not_there_cannot_be_deleted(api: Api):
    assert api.client.delete(f"/videos/{new_video_id()}").status_code == 404
    assert api.client.delete("/videos/abc").status_code == 400
