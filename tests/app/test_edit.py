"""`PATCH /videos/{id}`: a merge patch, and what is no merge patch."""

import json
from typing import Any

import pytest
from httpx import Response
from tests.app.conftest import Api

from vodstack_contracts.videos import Status

MERGE_PATCH = "application/merge-patch+json"


def _upload(api: Api) -> str:
    fields = {"title": "Dawn", "description": "Grey.", "tags": "a,b", "metadata": '{"camera": "north", "crew": "2"}'}
    return api.upload(b"x", **fields).json()["videoId"]


def _patch(api: Api, video_id: str, patch: Any, media_type: str = MERGE_PATCH) -> Response:
    body = patch if isinstance(patch, bytes) else json.dumps(patch).encode()
    return api.client.patch(f"/videos/{video_id}", content=body, headers={"Content-Type": media_type})


def _said(video: dict[str, Any]) -> tuple[Any, ...]:
    return video["title"], video["description"], video["tags"], video["metadata"]


def test_what_is_named_changes_and_the_rest_stays(api: Api):
    video_id = _upload(api)
    answer = _patch(api, video_id, {"title": "Dusk", "tags": [" c ", "d", "c"]})
    assert answer.status_code == 200
    assert _said(answer.json()) == ("Dusk", "Grey.", ["c", "d"], {"camera": "north", "crew": "2"})
    assert answer.json() == api.client.get(f"/videos/{video_id}").json()


def test_null_empties_a_field_and_removes_an_entry(api: Api):
    video_id = _upload(api)
    patch = {"title": None, "description": None, "tags": None, "metadata": {"crew": None, "light": "low"}}
    emptied = ("clip.mp4", "", [], {"camera": "north", "light": "low"})
    assert _said(_patch(api, video_id, patch).json()) == emptied
    assert _patch(api, video_id, {"metadata": None}).json()["metadata"] == {}


def test_a_patch_of_nothing_changes_nothing(api: Api):
    video_id = _upload(api)
    (before,) = api.records()
    assert _patch(api, video_id, {}, "application/json; charset=utf-8").status_code == 200
    assert _patch(api, video_id, {"title": "Dawn"}).status_code == 200
    assert api.records() == [before]


def test_a_video_at_work_can_be_changed_too(api: Api):
    video_id = _upload(api)
    (record,) = api.records()
    record.status, record.progress = Status.PROCESSING, 0.5
    api.put_record(record)
    assert _patch(api, video_id, {"title": "Dusk"}).json()["status"] == "processing"
    (after,) = api.records()
    assert (after.title, after.progress) == ("Dusk", 0.5)


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"title": "x" * 501}, "title"),
        ({"title": 1}, "title"),
        ({"description": ["x"]}, "description"),
        ({"tags": "a"}, "tags"),
        ({"tags": [1]}, "tags"),
        ({"tags": ["a,b"]}, "tags"),
        ({"tags": [str(number) for number in range(51)]}, "tags"),
        ({"tags": ["x" * 101]}, "tags"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {"": "a"}}, "metadata"),
        ({"metadata": {"a": "x" * 16_384}}, "metadata"),
        ({"metadata": {str(number): "" for number in range(50)}}, "metadata"),
        ({"status": "ready"}, "status"),
        ({"owner": "me"}, "owner"),
        ({"": "x"}, ""),
    ],
)
def test_a_field_that_cannot_be_is_named_and_nothing_changes(api: Api, patch: dict[str, Any], field: str):
    video_id = _upload(api)
    (before,) = api.records()
    answer = _patch(api, video_id, {"title": "Dusk"} | patch)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:vodstack:problem:invalid-field")
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert api.records() == [before]


def test_every_field_at_fault_is_named(api: Api):
    answer = _patch(api, _upload(api), {"title": 1, "tags": 2, "colour": 3})
    assert [fault["field"] for fault in answer.json()["errors"]] == ["title", "tags", "colour"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"title": "\\ud800"}', b'{"title": "\xff"}'])
def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes):
    answer = _patch(api, _upload(api), body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:vodstack:problem:malformed-patch")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_media_type_is_refused(api: Api, media_type: str):
    assert _patch(api, _upload(api), {"title": "x"}, media_type).status_code == 415


def test_a_body_beyond_all_limits_is_refused(api: Api):
    answer = _patch(api, _upload(api), {"title": "x" * 300_000})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:vodstack:problem:too-large")


def test_a_video_that_is_not_there_cannot_be_changed(api: Api):
    assert _patch(api, "0200c014-987b-4c5e-82bc-5fa62e2d2e97", {"title": "x"}).status_code == 404
