"""`GET /videos`: what an owner finds, in which order, page by page."""

import re
import string
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.app.conftest import Api
from tests.app.test_video import ready_record

from vodstack_app.errors import InvalidCursorError
from vodstack_app.videos.listing import QUERIES_A_PAGE, Cursor, decode_cursor, encode_cursor
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp

CURSOR_LETTERS = string.digits + "abcdef"
CURSORS = st.builds(
    lambda moment, video_id: Cursor(timestamp(moment), str(video_id)),
    st.datetimes(datetime(1970, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - it adds the zone
    st.uuids(),
)


def _put(api: Api, day: int = 1, **fields: Any) -> str:
    date = f"2026-11-{day:02}T00:00:00.000Z"
    values: dict[str, Any] = {"status": Status.QUEUED, "owner": "anonymous"} | fields
    record = VideoRecord(video_id=new_video_id(), upload_date=date, updated_at=date, **values)
    api.put_record(record)
    return record.video_id


def _pages(api: Api, **query: Any) -> list[list[str]]:
    """The ids of every page, from the first to the last."""
    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or cursor:
        answer = api.client.get("/videos", params=query | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200
        pages.append([video["videoId"] for video in answer.json()["videos"]])
        cursor = answer.json()["nextCursor"]
    return pages


def test_who_has_no_videos_gets_an_empty_list(api: Api):
    assert api.client.get("/videos").json() == {"videos": [], "nextCursor": None}


def test_the_newest_comes_first_and_pages_follow_each_other(api: Api):
    ids = [_put(api, day) for day in range(1, 6)]
    assert _pages(api, limit=2) == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
    assert _pages(api, limit=5) == [ids[::-1]]


def test_videos_of_one_moment_are_each_listed_once(api: Api):
    ids = {_put(api) for _ in range(7)}
    listed = [video_id for page in _pages(api, limit=2) for video_id in page]
    assert (len(listed), set(listed)) == (7, ids)


def test_a_video_in_a_list_has_all_that_lasts(api: Api):
    record = ready_record()
    record.owner = "anonymous"
    api.put_record(record)
    (listed,) = api.client.get("/videos").json()["videos"]
    one = api.client.get(f"/videos/{record.video_id}").json()
    for name in ("url", "renditions", "thumbnails", "analysis"):
        del one[name]
    assert listed == one
    assert listed["playback"]["poster"].endswith(f"/videos/{record.video_id}/playback/poster.jpg")


def test_what_is_deleted_lapsed_or_another_owners_is_not_listed(api: Api):
    _put(api, status=Status.DELETED)
    _put(api, status=Status.UPLOADING, expires_at=int(time.time()) - 1)
    _put(api, owner="somebody")
    _put(api, owner=None)
    running = _put(api, status=Status.UPLOADING, expires_at=int(time.time()) + 60)
    assert _pages(api) == [[running]]


def test_a_list_is_narrowed_by_state_and_by_tag(api: Api):
    ready = _put(api, 1, status=Status.READY, tags=["harbour", "dawn"])
    failed = _put(api, 2, status=Status.FAILED, tags=["harbour"])
    _put(api, 3, tags=["harbours"])
    assert _pages(api, status="ready") == [[ready]]
    assert _pages(api, tag="harbour") == [[failed, ready]]
    assert _pages(api, tag="harbour", status="failed") == [[failed]]
    assert _pages(api, tag="dusk") == [[]]


def test_a_filter_that_passes_over_many_still_finds_the_last(api: Api, monkeypatch: pytest.MonkeyPatch):
    wanted = _put(api, 1, status=Status.READY)
    for day in range(2, 2 + QUERIES_A_PAGE + 3):
        _put(api, day)
    monkeypatch.setattr("vodstack_app.videos.listing.RECORDS_A_QUERY", 1)
    assert _pages(api, status="ready") == [[], [wanted]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("status=deleted", "status"),
        ("status=", "status"),
        ("tag=", "tag"),
        ("cursor=", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=%00", "cursor"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(api: Api, query: str, field: str):
    answer = api.client.get(f"/videos?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert query not in answer.json()["detail"]


@given(cursor=CURSORS)
def test_a_cursor_comes_back_as_it_went(cursor: Cursor):
    assert decode_cursor(encode_cursor(cursor)) == cursor


@given(text=st.text() | st.text(CURSOR_LETTERS, max_size=60))
def test_a_cursor_is_read_as_what_it_says_or_refused(text: str):
    try:
        assert encode_cursor(decode_cursor(text)) == text
    except InvalidCursorError:
        assert not re.fullmatch(r"[0-9]{13}[0-9a-f]{32}", text, re.ASCII)


@given(cursor=CURSORS, ending=st.sampled_from(["\n", " ", "0", "\0"]))
def test_a_cursor_with_something_after_it_is_refused(cursor: Cursor, ending: str):
    with pytest.raises(InvalidCursorError):
        decode_cursor(encode_cursor(cursor) + ending)
