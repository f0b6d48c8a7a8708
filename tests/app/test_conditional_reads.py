"""ETags: a client that has the answer already is told so, and never keeps one that has gone stale."""

import re
from typing import Any

import pytest
from litestar import Request
from litestar.testing import RequestFactory
from tests.app.conftest import Api
from tests.app.test_video import ready_record

from vodstack_app.conditional import entity_tag, is_current, url_period
from vodstack_contracts.videos import Status


def _get(api: Api, path: str, known: str = "") -> Any:
    return api.client.get(path, headers={"If-None-Match": known} if known else {})


@pytest.mark.parametrize("path", ["/videos", "/videos/{id}"])
def test_what_has_not_changed_is_not_sent_again(api: Api, path: str):
    path = path.format(id=api.upload(b"x").json()["videoId"])
    first = _get(api, path)
    assert (first.status_code, first.headers["cache-control"]) == (200, "private, no-cache")
    tag = first.headers["etag"]
    assert re.fullmatch(r'W/"[0-9a-f]{32}"', tag)
    again = _get(api, path, f'"other", {tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


@pytest.mark.parametrize("path", ["/videos", "/videos/{id}"])
def test_a_change_of_the_record_changes_the_tag(api: Api, path: str):
    path = path.format(id=api.upload(b"x").json()["videoId"])
    tag = _get(api, path).headers["etag"]
    (record,) = api.records()
    record.progress, record.status = 0.5, Status.PROCESSING
    api.put_record(record)
    answer = _get(api, path, tag)
    assert (answer.status_code, "0.5" in answer.text) == (200, True)


def test_a_url_that_is_about_to_expire_is_sent_anew():
    signed = 1_000_000_000
    periods = {url_period(signed + age, 3600) for age in range(0, 3600, 60)}
    assert len(periods) > 1
    assert url_period(signed + 1800, 3600) != url_period(signed, 3600)


def test_a_new_signature_alone_is_no_change(api: Api):
    record = ready_record()
    api.put_record(record)
    # Two answers in a row may lie on either side of a period's end, three cannot.
    tags = {_get(api, f"/videos/{record.video_id}").headers["etag"] for _ in range(3)}
    assert len(tags) < 3


@pytest.mark.parametrize(("known", "current"), [("*", True), ("", False), ('W/"x"', False), ('"a", ,{tag}', True)])
def test_tags_are_compared_weakly(known: str, *, current: bool):
    tag = entity_tag("something")
    request: Request[Any, Any, Any] = RequestFactory().get(headers={"If-None-Match": known.format(tag=tag[2:])})
    assert is_current(request, tag) is current
