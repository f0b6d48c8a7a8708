"""How old a look at a video may be, and who sees what is new at once."""

import asyncio

import pytest
from tests.app.conftest import Api, serving

from vodstack_app.videos import recent
from vodstack_app.videos.recent import Recent
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp


class Table:
    """Reads end when the test says so, with what the table has at that moment."""

    def __init__(self) -> None:
        self.record: VideoRecord | None = _record()
        self.fault: Exception | None = None
        self.reads = 0
        self.now = 0.0
        self.answering = asyncio.Event()
        self.answering.set()

    async def read(self, video_id: str) -> VideoRecord | None:
        self.reads += 1
        await self.answering.wait()
        if self.fault:
            raise self.fault
        return self.record

    def recent(self, seconds: float = 1.0) -> Recent:
        return Recent(self.read, seconds, lambda: self.now)


def _record(progress: float = 0.0) -> VideoRecord:
    now = timestamp()
    return VideoRecord(
        video_id=new_video_id(), status=Status.PROCESSING, upload_date=now, updated_at=now, progress=progress
    )


async def _start(recent: Recent, looks: int = 1) -> list["asyncio.Task[VideoRecord | None]"]:
    tasks = [asyncio.create_task(recent.find("x")) for _ in range(looks)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_who_looks_at_the_same_moment_shares_one_read():
    table = Table()
    recent = table.recent()
    table.answering.clear()
    tasks = await _start(recent, looks=50)
    table.answering.set()
    assert {id(found) for found in await asyncio.gather(*tasks)} == {id(table.record)}
    assert table.reads == 1


async def test_a_look_is_never_older_than_it_may_be():
    table = Table()
    recent = table.recent(seconds=1.0)
    before = await recent.find("x")
    table.record = _record(progress=0.5)
    table.now = 0.999
    assert await recent.find("x") is before
    table.now = 1.0
    assert await recent.find("x") is table.record


async def test_the_age_counts_from_the_start_of_a_slow_read():
    table = Table()
    recent = table.recent(seconds=1.0)
    table.answering.clear()
    (slow,) = await _start(recent)
    table.now = 1.0
    (second,) = await _start(recent)
    table.answering.set()
    await asyncio.gather(slow, second)
    assert table.reads == 2


async def test_after_a_write_of_this_process_no_look_shows_what_was_before():
    table = Table()
    recent = table.recent()
    await recent.find("x")
    table.record = _record(progress=0.5)
    recent.forget("x")
    assert await recent.find("x") is table.record


async def test_a_read_that_began_before_a_write_is_kept_for_nobody_after_it():
    table = Table()
    recent = table.recent()
    table.answering.clear()
    (early,) = await _start(recent)
    recent.forget("x")
    table.answering.set()
    before = await early
    table.record = _record(progress=0.5)
    assert before is not table.record
    assert await recent.find("x") is table.record


@pytest.mark.parametrize("fault", [None, RuntimeError("gone")])
async def test_nothing_and_a_failure_are_no_answer_to_the_next(fault: Exception | None):
    table = Table()
    recent = table.recent()
    record, table.record, table.fault = table.record, None, fault
    (first,) = await asyncio.gather(recent.find("x"), return_exceptions=True)
    assert first is fault
    await asyncio.sleep(0)
    table.record, table.fault = record, None
    assert await recent.find("x") is record


async def test_a_client_that_goes_away_does_not_take_the_others_read_with_it():
    table = Table()
    recent = table.recent()
    table.answering.clear()
    gone, patient = await _start(recent, looks=2)
    gone.cancel()
    table.answering.set()
    assert await patient is table.record


async def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recent, "RECORDS", 3)
    table = Table()
    kept = table.recent()
    for number in range(5):
        await kept.find(str(number))
    assert list(kept._looks) == ["2", "3", "4"]


async def test_without_a_time_each_look_reads():
    table = Table()
    recent = table.recent(seconds=0.0)
    await recent.find("x")
    await recent.find("x")
    assert table.reads == 2


def test_a_client_sees_its_own_changes_at_once_with_a_tag_of_their_own(api: Api):
    path = f"/videos/{api.upload(b'x').json()['videoId']}"
    with serving(api.foundation, VODSTACK_RECORD_CACHE_SECONDS="10") as cached:
        seen = cached.client.get(path)
        assert seen.json()["title"] == "clip.mp4"
        assert cached.client.patch(path, json={"title": "New"}).status_code == 200
        changed = cached.client.get(path, headers={"If-None-Match": seen.headers["etag"]})
        assert (changed.status_code, changed.json()["title"]) == (200, "New")
        assert cached.client.delete(path).status_code == 204
        assert cached.client.get(path).status_code == 404


def test_what_others_change_is_seen_after_a_while_and_the_tag_says_which_state_it_is(api: Api):
    """The worker's writes, and those of other processes: not at once, but soon."""
    path = f"/videos/{api.upload(b'x').json()['videoId']}"
    with serving(api.foundation, VODSTACK_RECORD_CACHE_SECONDS="0.3") as cached:
        tag = cached.client.get(path).headers["etag"]
        (record,) = api.records()
        record.status, record.progress = Status.PROCESSING, 0.5
        api.put_record(record)
        while (answer := cached.client.get(path, headers={"If-None-Match": tag})).status_code == 304:
            assert answer.headers["etag"] == tag
        assert (answer.json()["status"], answer.headers["etag"] == tag) == ("processing", False)
        assert answer.headers["etag"] == api.client.get(path).headers["etag"]
