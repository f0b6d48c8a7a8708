"""An owner's share of the workers: what is more waits outside the queue, in order, and nothing that waits is lost."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError
from tests.aws_proxy import AwsProxy, is_write
from tests.conftest import REGION, Foundation, make_foundation
from tests.worker.running import Videos
from tests.worker.test_ends import plan_of

from vodstack_contracts import moves
from vodstack_contracts.fair_use import day_of, encoded_key
from vodstack_contracts.jobs import Arrival, ChunkJob, decode_arrivals, decode_chunk, encode_arrival, encode_chunk
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Deletion, Lease, Status, VideoRecord, new_video_id
from vodstack_worker.admission import EncodingQuota, encoded_minutes
from vodstack_worker.errors import NotYetError
from vodstack_worker.fair_share import FairShare, Turn
from vodstack_worker.messages import JobQueue, Message
from vodstack_worker.records import Records
from vodstack_worker.turns import Entering, Entry, Turns
from vodstack_worker.waiting import Line, WaitingList

ACCESS: dict[str, Any] = {"region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
LONG_SECONDS = 60
GREEDY, OTHER = "greedy", "oth#er"
Play = Callable[["Desk"], Awaitable[None]]


@dataclass
class Desk:
    """What one worker has of the tables and the queues, and clients who upload."""

    videos: Videos
    share: FairShare
    waiting: WaitingList
    turns: Turns
    quota: EncodingQuota
    queues: dict[Any, JobQueue]
    uploads: int = 0

    def upload(self, owner: str = GREEDY) -> str:
        """A record as the API writes it; each is a second younger than the one before."""
        video_id = new_video_id()
        self.uploads += 1
        date = f"2026-11-29T00:{self.uploads // 60:02d}:{self.uploads % 60:02d}.000Z"
        record = VideoRecord(video_id=video_id, status=Status.QUEUED, upload_date=date, updated_at=date, owner=owner)
        self.videos.dynamodb.put_item(TableName=self.videos.foundation.videos_table, **moves.create(record))
        return video_id

    def arrival(self, video_id: str) -> Arrival:
        return Arrival(video_id=video_id, bucket=self.videos.foundation.bucket, key=original_key(video_id))

    def send(self, work: Arrival | ChunkJob) -> None:
        chunk = isinstance(work, ChunkJob)
        url = self.videos.foundation.chunks_queue_url if chunk else self.videos.foundation.queue_url
        body = encode_chunk(work) if chunk else encode_arrival(work.video_id, self.videos.foundation.bucket)
        self.videos.sqs.send_message(QueueUrl=url, MessageBody=body)

    async def receive(self, name: str = "arrivals") -> Message:
        message = await self.queues[name].receive(1)
        assert message, "no message has come"
        return message

    async def try_next(self, name: str = "arrivals") -> tuple[str, Turn | None]:
        """Receive one message, ask for its turn, and delete it, as if its job took no time."""
        message = await self.receive(name)
        (work,) = [decode_chunk(message.body)] if name == "chunks" else decode_arrivals(message.body)
        turn = await self.share.admit(work, message)
        await message.delete()
        return work.video_id, turn

    async def admit_new(self, owner: str = GREEDY) -> tuple[str, Turn | None]:
        video_id = self.upload(owner)
        self.send(self.arrival(video_id))
        return await self.try_next()

    async def is_silent(self, name: str = "arrivals") -> bool:
        return await self.queues[name].receive(0) is None

    async def work_on(self, message: Message) -> None:
        (work,) = decode_arrivals(message.body)
        turn = await self.share.admit(work, message)
        if turn:
            if not self.is_ready(work.video_id):
                self.finish(work.video_id)
            await turn.leave()
        await message.delete()

    def is_ready(self, video_id: str) -> bool:
        return self.videos.record(video_id).status is Status.READY

    def finish(self, video_id: str) -> None:
        for status in (Status.PROCESSING, Status.READY):
            self.videos.change(moves.move(video_id, status))

    async def lines(self) -> list[int]:
        return [await self.waiting.count(line) for line in Line]

    def put(self, record: VideoRecord, **changes: Any) -> None:
        self.videos.change(moves.amend(record.video_id, set(Status), changes=changes))


@asynccontextmanager
async def desk(
    foundation: Foundation, videos: Videos, *, most: int, visibility: int, endpoint_url: str = "", minutes: int = 0
) -> AsyncGenerator[Desk]:
    # What is lost stays lost: a client that asks again would outlive the write that it is to die at.
    config = AioConfig(retries={"total_max_attempts": 1})
    at = {"endpoint_url": endpoint_url or foundation.endpoint_url, "config": config, **ACCESS}
    sessions: Any = get_session()
    async with sessions.create_client("dynamodb", **at) as dynamodb, sessions.create_client("sqs", **at) as sqs:
        queues: dict[Any, JobQueue] = {
            name: JobQueue(sqs, url, visibility_timeout=visibility)
            for name, url in (("arrivals", foundation.queue_url), ("chunks", foundation.chunks_queue_url))
        }
        turns, waiting = Turns(dynamodb, foundation.work_table), WaitingList(dynamodb, foundation.work_table)
        share = FairShare(
            turns=turns,
            waiting=waiting,
            records=Records(dynamodb, foundation.videos_table),
            queues=queues,
            most=most,
            visibility=visibility,
        )
        yield Desk(videos, share, waiting, turns, EncodingQuota(dynamodb, foundation.work_table, minutes), queues)


@pytest.fixture(scope="module")
def shared_tables(aws_endpoint: str) -> Foundation:
    return make_foundation(aws_endpoint)


@pytest.fixture
def tables(shared_tables: Foundation) -> Foundation:
    """Queues of the test's own, and tables that are shared, which is quicker."""
    sqs = shared_tables.client("sqs")
    arrivals, chunks = (sqs.create_queue(QueueName=f"own-{uuid.uuid4().hex}")["QueueUrl"] for _ in range(2))
    return replace(shared_tables, queue_url=arrivals, chunks_queue_url=chunks)


@pytest.fixture
def play(tables: Foundation) -> Callable[..., None]:
    """Runs a coroutine of one worker, on queues and a work table that are empty."""
    videos = Videos(tables, tables.client("s3"), tables.client("dynamodb"), tables.client("sqs"))
    for item in videos.dynamodb.scan(TableName=tables.work_table)["Items"]:
        videos.dynamodb.delete_item(TableName=tables.work_table, Key={name: item[name] for name in ("pk", "sk")})

    def run(scene: Play, *, most: int = 1, visibility: int = LONG_SECONDS, **more: Any) -> None:
        async def within() -> None:
            async with desk(tables, videos, most=most, visibility=visibility, **more) as made:
                await scene(made)

        asyncio.run(within())

    return run


def test_what_is_beyond_the_share_waits_and_goes_on_in_order(play: Any):
    async def scene(at: Desk) -> None:
        _, turn = await at.admit_new()
        assert turn
        waiting = [await at.admit_new() for _ in range(3)]
        assert [parked for _, parked in waiting] == [None, None, None]
        assert (await at.admit_new(OTHER))[1], "another owner is not kept waiting"
        assert await at.is_silent()
        for video_id, _ in waiting:
            await turn.leave()
            found, turn = await at.try_next()
            assert found == video_id
            assert turn
        await turn.leave()
        assert await at.is_silent()
        assert await at.lines() == [0, 0, 0]

    play(scene)


def test_chunks_of_one_video_count_one_by_one(play: Any):
    async def scene(at: Desk) -> None:
        video_id = at.upload()
        turns: list[Turn | None] = []
        for number in range(4):
            at.send(ChunkJob(video_id=video_id, plan_id="00c0ffee", number=number))
            turns.append((await at.try_next("chunks"))[1])
        assert [turn is not None for turn in turns] == [True, True, False, False]
        assert await at.lines() == [2, 0, 0]
        assert turns[0]
        await turns[0].leave()
        message = await at.receive("chunks")
        assert decode_chunk(message.body).number == 2

    play(scene, most=2)


def test_a_dead_workers_turn_lapses(play: Any):
    async def scene(at: Desk) -> None:
        _, turn = await at.admit_new()
        assert turn
        assert (await at.admit_new())[1] is None
        # As after its last heartbeat, and some time.
        await turn.extend(time.time() - 1)
        assert (await at.admit_new())[1]
        assert (await at.turns.read(GREEDY)).entries.keys() == (await at.turns.read(GREEDY)).live.keys()

    play(scene)


def test_a_turn_that_is_extended_does_not_lapse(play: Any):
    async def scene(at: Desk) -> None:
        _, turn = await at.admit_new()
        assert turn
        end = time.time() + 2 * LONG_SECONDS
        await turn.extend(end)
        assert [entry.expires_at for entry in (await at.turns.read(GREEDY)).live.values()] == [pytest.approx(end)]

    play(scene)


def test_a_repeat_takes_no_second_turn_and_gives_none_back(play: Any):
    async def scene(at: Desk) -> None:
        video_id, first = await at.admit_new()
        at.send(at.arrival(video_id))
        _, repeat = await at.try_next()
        assert first
        assert repeat, "what becomes of it is for the record's lease to say"
        await repeat.leave()
        assert (await at.turns.read(GREEDY)).count(long=False) == 1

    play(scene)


def test_an_arrival_that_repeats_while_its_video_waits_changes_nothing(play: Any):
    async def scene(at: Desk) -> None:
        _, turn = await at.admit_new()
        first, _ = await at.admit_new()
        await at.admit_new()
        at.send(at.arrival(first))
        assert (await at.try_next()) == (first, None)
        assert await at.lines() == [2, 0, 0]
        assert turn
        await turn.leave()
        assert (await at.try_next())[0] == first

    play(scene)


@pytest.mark.parametrize("becomes", ["deleted", "ready", "held"])
def test_a_video_that_needs_no_work_any_more_lets_the_next_one_go_on(play: Any, becomes: str):
    async def scene(at: Desk) -> None:
        _, turn = await at.admit_new()
        gone, _ = await at.admit_new()
        after, _ = await at.admit_new()
        if becomes == "ready":
            at.finish(gone)
        elif becomes == "deleted":
            at.videos.change(moves.delete(gone, Deletion(former_owner=GREEDY, deleted_at=1, purge_at=1)))
        else:
            lease = Lease(token="t", message_id="m", expires_at=time.time() + LONG_SECONDS)
            at.videos.change(moves.take(gone, lease, now=time.time()))
        assert turn
        await turn.leave()
        found, turn = await at.try_next()
        assert found == gone
        assert turn
        await turn.leave()
        assert (await at.try_next())[0] == after

    play(scene)


def test_an_idle_worker_begins_what_waits_beyond_the_share(play: Any):
    async def scene(at: Desk) -> None:
        assert not await at.share.use_idle_slot()
        _, turn = await at.admit_new()
        first, _ = await at.admit_new()
        await at.admit_new()
        assert await at.share.use_idle_slot()
        found, beyond = await at.try_next()
        assert found == first
        assert beyond
        assert turn
        await turn.leave()
        assert await at.is_silent(), "its owner has its share still"
        await beyond.leave()
        assert (await at.try_next())[1]

    play(scene)


def test_of_long_jobs_no_more_than_the_share_run_even_where_workers_are_idle(play: Any):
    async def scene(at: Desk) -> None:
        _, first = await at.admit_new()
        assert first
        await first.require_long()
        second, _ = await at.admit_new()
        assert await at.share.use_idle_slot()
        message = await at.receive()
        turn = await at.share.admit(at.arrival(second), message)
        assert turn
        with pytest.raises(NotYetError):
            await turn.require_long()
        record = at.videos.record(second)
        await at.share.wait(record, at.arrival(second), message, None)
        await turn.leave()
        await message.delete()
        assert await at.lines() == [0, 1, 0]
        assert not await at.share.use_idle_slot()
        await first.leave()
        found, turn = await at.try_next()
        assert found == second
        assert turn
        await turn.require_long()

    play(scene)


def test_a_share_that_is_switched_off_lets_everything_go_on(play: Any):
    async def fill(at: Desk) -> None:
        for _ in range(3):
            await at.admit_new()

    async def empty(at: Desk) -> None:
        await at.share.recover()
        assert await at.lines() == [0, 0, 0]
        for _ in range(2):
            assert (await at.try_next())[1]

    play(fill)
    play(empty, most=0)


def test_what_came_back_often_is_left_to_its_queue_which_counts(play: Any):
    async def scene(at: Desk) -> None:
        _, turn = await at.admit_new()
        video_id = at.upload()
        await at.queues["arrivals"].send_again(encode_arrival(video_id, at.videos.foundation.bucket), receives=7)
        message = await at.receive()
        assert (message.receive_count, message.has_waited) == (8, True)
        assert await at.share.admit(at.arrival(video_id), message) is None
        await message.delete()
        assert turn
        await turn.leave()
        message = await at.receive()
        assert message.receive_count == 9
        await message.hide(0)
        message = await at.receive()
        assert message.receive_count == 10
        await at.admit_new(GREEDY)
        assert await at.share.admit(at.arrival(video_id), message)

    play(scene)


def test_of_turns_that_are_asked_for_at_once_no_more_than_the_share_are_given(play: Any):
    async def scene(at: Desk) -> None:
        entries = [Entry(token=f"t{number}", expires_at=time.time() + LONG_SECONDS) for number in range(6)]
        asked = (at.turns.enter(GREEDY, entry.token, entry, most=3) for entry in entries)
        found = await asyncio.gather(*asked)
        assert sorted(found) == [Entering.ENTERED] * 3 + [Entering.FULL] * 3

    play(scene)


def test_every_owner_who_waits_is_found(play: Any):
    async def scene(at: Desk) -> None:
        owners = [f"owner {number}" for number in range(8)]
        for owner in owners:
            await at.admit_new(owner)
            await at.admit_new(owner)
        await at.admit_new(owners[0])
        assert sorted([owner async for owner in at.waiting.owners()]) == sorted(owners)
        waiting = await at.waiting.some()
        assert waiting
        assert await at.share.is_waiting(at.videos.record(waiting[0].job))
        assert not await at.share.is_waiting(at.videos.record(at.upload()))

    play(scene)


async def serve(at: Desk, video_ids: list[str]) -> None:
    """Work until nothing is left to do, as a worker does it whose jobs take no time."""
    end = time.monotonic() + 60
    while not all(at.is_ready(each) for each in video_ids) or await at.lines() != [0, 0, 0]:
        assert time.monotonic() < end, await at.lines()
        message = await at.queues["arrivals"].receive(0)
        if message:
            await at.work_on(message)
        elif not await at.share.use_idle_slot():
            await asyncio.sleep(0.05)


@dataclass
class Strikes:
    """Three videos of one owner meet a worker that dies at one of its writes, and then another that lives on."""

    foundation: Foundation
    proxy: AwsProxy
    how: dict[str, Any]
    writes: int = 0

    def at(self, number: int) -> Play:
        async def scene(at: Desk) -> None:
            self.proxy.clear()
            video_ids = [at.upload() for _ in range(3)]
            for video_id in video_ids:
                at.send(at.arrival(video_id))
            self.proxy.intercept(is_write, nth=number, **self.how)
            with suppress(ClientError, BotoCoreError):
                await self._die(at.videos)
            self.writes = self.writes or len(self.proxy.operations())
            await serve(at, video_ids)
            assert not (await at.turns.read(GREEDY)).live

        return scene

    async def _die(self, videos: Videos) -> None:
        async with desk(self.foundation, videos, most=1, visibility=1, endpoint_url=self.proxy.url) as victim:
            messages = [await victim.receive() for _ in range(3)]
            turns = [await victim.share.admit(decode_arrivals(each.body)[0], each) for each in messages]
            for message, turn in zip(messages, turns, strict=True):
                if turn:
                    victim.finish(decode_arrivals(message.body)[0].video_id)
                    await turn.leave()
                await message.delete()


@pytest.mark.prove
@pytest.mark.parametrize("how", [{"status": 400}, {"lose": True}], ids=["before", "after"])
def test_whichever_write_a_worker_dies_at_every_video_has_its_turn(how: dict[str, Any], tables: Foundation, play: Any):
    """A first run shows the writes; each is then the last one of a worker, which a second one takes over from."""
    with AwsProxy(tables.endpoint_url) as proxy:
        strikes = Strikes(tables, proxy, how)
        play(strikes.at(10_000), visibility=1)
        assert strikes.writes > 8
        for number in range(1, strikes.writes + 1):
            play(strikes.at(number), visibility=1)


@pytest.mark.parametrize(("seconds", "minutes"), [(60.0, 1.502), (7200.0, 180.25), (0.5, 0.1)])
def test_a_video_counts_by_the_frames_and_pixels_of_what_is_encoded(seconds: float, minutes: float):
    """In 1920x1080 at 25 frames a second, with its four smaller renditions."""
    assert encoded_minutes(plan_of(seconds)) == pytest.approx(minutes, abs=0.01)


def test_minutes_are_counted_once_and_the_video_that_crosses_the_line_goes_on(play: Any):
    async def scene(at: Desk) -> None:
        charge = await at.quota.count(GREEDY, "one", 9.5)
        assert await at.quota.count(GREEDY, "one", 9.5) == charge, "a worker died before the record said so"
        await at.quota.settle(GREEDY, "one", charge)
        await at.quota.require_left(GREEDY)
        crossing = await at.quota.count(GREEDY, "two", 20.0)
        with pytest.raises(NotYetError) as refused:
            await at.quota.count(GREEDY, "three", 0.1)
        assert refused.value.until
        assert 0 < refused.value.until - time.time() <= 86_400
        with pytest.raises(NotYetError):
            await at.quota.require_left(GREEDY)
        await at.quota.require_left(OTHER)
        await at.quota.refund(GREEDY, crossing)
        await at.quota.count(GREEDY, "three", 0.1)
        key = encoded_key(GREEDY, day_of(time.time()))
        item = at.videos.dynamodb.get_item(TableName=at.videos.foundation.work_table, Key=key)["Item"]
        assert float(item["minutes"]["N"]) == pytest.approx(9.6)

    play(scene, minutes=10)


def test_what_waits_for_a_day_goes_on_when_it_has_come(play: Any):
    async def scene(at: Desk) -> None:
        due, later = at.upload(), at.upload()
        for video_id, until in ((due, time.time() - 1), (later, time.time() + LONG_SECONDS)):
            at.put(at.videos.record(video_id), waits_until=until)
            at.send(at.arrival(video_id))
            message = await at.receive()
            await at.share.wait(at.videos.record(video_id), at.arrival(video_id), message, until)
            await message.delete()
            assert await at.share.is_waiting(at.videos.record(video_id))
        await at.share.use_idle_slot()
        assert (await at.try_next())[0] == due
        assert await at.lines() == [0, 0, 1]
        assert await at.is_silent()

    play(scene, most=0)
