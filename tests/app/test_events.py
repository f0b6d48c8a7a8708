"""`GET /videos/{id}/events`: what a client that watches is told, and when it is told no more."""

import json
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from tests.app.conftest import Api, ApiProcess

from vodstack_contracts.videos import (
    Failure,
    FailureCode,
    Stage,
    Status,
    VideoRecord,
    VideoWarning,
    WarningCode,
    new_video_id,
    timestamp,
)

State = dict[str, Any]


def _put(api: Api, status: Status = Status.QUEUED, **fields: Any) -> VideoRecord:
    now = timestamp()
    record = VideoRecord(video_id=new_video_id(), status=status, upload_date=now, updated_at=now, **fields)
    api.put_record(record)
    return record


@contextmanager
def _watching(api: Api, video_id: str) -> Generator[Iterator[State]]:
    with api.client.stream("GET", f"/videos/{video_id}/events") as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.headers["cache-control"] == "no-store"
        yield _states(answer)


def _states(answer: httpx.Response) -> Iterator[State]:
    return (json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: "))


def test_the_state_comes_at_once_then_each_change_and_the_end(api: Api):
    record = _put(api)
    with _watching(api, record.video_id) as states:
        assert next(states) == {"status": "queued", "progress": 0.0, "stage": None, "error": None, "warnings": []}
        record.status, record.progress, record.stage = Status.PROCESSING, 0.5, Stage.TRANSCODE
        api.put_record(record)
        changed = {"status": "processing", "progress": 0.5, "stage": "transcode", "error": None, "warnings": []}
        assert next(states) == changed
        record.status, record.progress = Status.READY, 1.0
        api.put_record(record)
        assert [state["status"] for state in states] == ["ready"]


def test_a_failure_ends_the_events_and_says_why(api: Api):
    record = _put(api, Status.FAILED, error=Failure(code=FailureCode.CORRUPT, message="Export it again."))
    with _watching(api, record.video_id) as states:
        assert [state["error"] for state in states] == [{"code": "corrupt", "message": "Export it again."}]


def test_the_last_event_of_a_ready_video_has_its_warnings(api: Api):
    warning = VideoWarning(code=WarningCode.AUDIO_UNREADABLE, message="The video has no audio.")
    record = _put(api, Status.READY, warnings=[warning])
    with _watching(api, record.video_id) as states:
        told = [{"code": "audio_unreadable", "message": "The video has no audio."}]
        assert [state["warnings"] for state in states] == [told]


def test_a_deletion_ends_the_events(api: Api):
    record = _put(api)
    with _watching(api, record.video_id) as states:
        next(states)
        api.client.delete(f"/videos/{record.video_id}")
        assert [state["status"] for state in states] == ["deleted"]


def test_two_that_watch_one_video_are_both_told_and_one_may_leave(api: Api):
    record = _put(api)
    with _watching(api, record.video_id) as states:
        with _watching(api, record.video_id) as others:
            assert next(states) == next(others)
        record.status = Status.READY
        api.put_record(record)
        assert [state["status"] for state in states] == ["ready"]


@pytest.mark.parametrize(("known", "status"), [("ready", 204), ("processing", 200), ("failed", 200)])
def test_who_knows_the_end_is_told_that_there_is_no_more(api: Api, known: str, status: int):
    record = _put(api, Status.READY)
    answer = api.client.get(f"/videos/{record.video_id}/events", headers={"Last-Event-ID": known})
    assert answer.status_code == status
    assert ("id: ready" in answer.text) is (status == 200)


def test_a_video_that_is_not_there_cannot_be_watched(api: Api):
    assert api.client.get(f"/videos/{new_video_id()}/events").status_code == 404


def test_an_api_that_leaves_ends_the_events(start_process: Callable[..., ApiProcess]):
    api = start_process()
    with _watching(api, _put(api).video_id) as states:
        next(states)
        api.process.send_signal(signal.SIGTERM)
        assert list(states) == []
    assert api.process.wait(60) == 0
