"""Every video comes to an end, and no message is given up, whatever is lost on the way."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiobotocore.session import get_session
from tests.aws_proxy import AwsProxy, Seen, is_operation
from tests.conftest import REGION
from tests.worker.running import SMALL_CHUNKS
from tests.worker.test_chaos import published
from tests.worker.test_sweep import LONG_AGO

from vodstack_contracts import moves
from vodstack_contracts.jobs import ChunkJob, encode_arrival, encode_chunk
from vodstack_contracts.objects import original_key, rendition_prefix
from vodstack_contracts.videos import (
    EncodePlan,
    FailureCode,
    Lease,
    SourceFacts,
    Status,
    VideoRecord,
    Way,
    new_video_id,
)
from vodstack_worker.chunk_table import ChunkTable
from vodstack_worker.errors import JobRefusedError, RetryError
from vodstack_worker.grid import Grid
from vodstack_worker.jumps import Corrections
from vodstack_worker.plans import Chunk, ChunkPlan, Plan, plan_chunks, plan_encode
from vodstack_worker.probed import AudioTrack, Probe
from vodstack_worker.segments import ChunkResult

NEVER_SECONDS = "600"
ITEM_BYTES = 400_000
PLAN_ID = "00c0ffee"


def plan_of(seconds: float) -> Plan:
    """The plan of a large film with sound."""
    facts = SourceFacts(
        container="mp4", duration_seconds=seconds, width=1920, height=1080, frame_rate=25.0, video_codec="h264"
    )
    return plan_encode(
        Probe(
            facts=facts,
            demuxer="mov",
            video_index=0,
            audios=[AudioTrack(index=1, seconds=seconds)],
            grid=Grid(
                rate_numerator=25,
                rate_denominator=1,
                origin=0.0,
                frames=round(seconds * 25),
                content=round(seconds * 25),
                last=round(seconds * 25) - 1,
                hold=0.04,
            ),
            corrections=Corrections(),
            field_size=None,
            upright=True,
            start=0.0,
            keys=[(float(second), float(second)) for second in range(0, int(seconds), 2)],
            key_gap=2.0,
            obstacle="",
        ),
        threads=1,
    )


def result_of(plan: Plan, lengths: int = 0) -> ChunkResult:
    digests = {rung.name: "f" * 64 for rung in plan.rungs}
    return ChunkResult(frames=1_500, inits=digests, seconds=123.456, lengths=[4.010667] * lengths)


def small_plan(video_id: str) -> ChunkPlan:
    chunks = [Chunk(number=0, first=0, end=100, last=True, seek=None)]
    return ChunkPlan(plan_id=PLAN_ID, video_id=video_id, size=1, etag="e", plan=plan_of(4.0), chunks=chunks)


def with_table(foundation: Any, work: Callable[[ChunkTable], Awaitable[None]]) -> None:
    async def run() -> None:
        settings: Any = {"region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        async with get_session().create_client("dynamodb", endpoint_url=foundation.endpoint_url, **settings) as client:
            await work(ChunkTable(client, foundation.work_table))

    asyncio.run(run())


def delays(worker: Any, event: str) -> list[float]:
    lines = [json.loads(line) for line in worker.log().splitlines()]
    return [line["delay"] for line in lines if line["event"] == event]


def takes_a_video(seen: Seen) -> bool:
    return seen.operation == "UpdateItem" and b'"S": "processing"' in seen.body and b":one" in seen.body


@pytest.mark.parametrize(("hours", "longest_seconds"), [(4, 1.0), (24, 60.0)])
def test_what_a_film_of_many_chunks_made_fits_into_one_item(hours: int, longest_seconds: float):
    plan = plan_of(hours * 3600.0)
    chunks = plan_chunks(plan, longest_seconds)
    assert isinstance(chunks, list), chunks
    sound = msgspec.json.encode(result_of(plan, lengths=hours * 900))
    assert len(chunks) * len(msgspec.json.encode(result_of(plan)) + b"result_0000") + len(sound) < ITEM_BYTES


def test_a_plan_is_nobodys_but_its_videos_and_a_job_is_taken_once(foundation: Any):
    lease = Lease(token="t", message_id="m", expires_at=time.time() + 60)

    async def work(table: ChunkTable) -> None:
        await table.put_plan(small_plan("first"))
        with pytest.raises(RetryError, match=PLAN_ID):
            await table.put_plan(small_plan("second"))
        standing = await table.read_standing(PLAN_ID)
        assert standing
        assert standing.plan.video_id == "first"

        assert await table.take(PLAN_ID, 0, lease) == 0
        assert await table.take(PLAN_ID, 0, lease) == 0, "the same write, sent again"
        with pytest.raises(JobRefusedError):
            await table.take(PLAN_ID, 0, Lease(token="u", message_id="m", expires_at=time.time() + 60))

    with_table(foundation, work)


def test_a_lost_answer_costs_no_wait(videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path):
    lost = proxy.intercept(takes_a_video, nth=1, lose=True)
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, VODSTACK_VISIBILITY_TIMEOUT_SECONDS=NEVER_SECONDS)
    video_id = videos.upload(tiny_clip)
    assert videos.wait_until(video_id, Status.READY, Status.FAILED).status is Status.READY, worker.log()
    assert lost.count >= 2
    assert videos.record(video_id).attempts == 1


def test_trouble_with_aws_is_waited_out_ever_longer(videos: Any, workers: Any, proxy: AwsProxy):
    """At a steady pause, the queue would give up every message within minutes of an outage."""
    proxy.intercept(is_operation("HeadObject"), status=403)
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, VODSTACK_RETRY_DELAY_SECONDS="1")
    video_id = videos.upload(b"a video")
    videos.wait_for(lambda: len(delays(worker, "will be tried again")) >= 3, "three attempts")
    assert delays(worker, "will be tried again")[:3] == [1, 2, 4]
    assert videos.record(video_id).failures == 0


@pytest.mark.prove
def test_a_film_whose_original_goes_away_fails(videos: Any, workers: Any, proxy: AwsProxy, film: Path):
    def remove() -> None:
        (body,) = [seen.body for seen in proxy.seen if seen.operation == "SendMessageBatch"]
        video_id = json.loads(json.loads(body)["Entries"][0]["MessageBody"])["videoId"]
        videos.s3.delete_object(Bucket=videos.foundation.bucket, Key=original_key(video_id))

    proxy.intercept(is_operation("SendMessageBatch"), nth=1, before=remove)
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, VODSTACK_MAX_FAILURES="1", **SMALL_CHUNKS)
    record = videos.wait_until(videos.upload(film), Status.READY, Status.FAILED)
    assert record.error.code is FailureCode.PROCESSING_FAILED, worker.log()
    assert "no longer stored" in record.error.message


@pytest.mark.prove
def test_each_arrival_of_one_message_gets_a_lease_of_full_length(
    videos: Any, workers: Any, clip: Path, tiny_clip: Path
):
    long, brief = videos.upload(clip), videos.upload(tiny_clip)
    videos.sqs.purge_queue(QueueUrl=videos.foundation.queue_url)
    events = [json.loads(encode_arrival(each, videos.foundation.bucket)) for each in (long, brief)]
    body = {"Records": [record for event in events for record in event["Records"]]}
    videos.sqs.send_message(QueueUrl=videos.foundation.queue_url, MessageBody=json.dumps(body))
    worker = workers.start(VODSTACK_VISIBILITY_TIMEOUT_SECONDS="2")
    for video_id in (long, brief):
        assert videos.wait_until(video_id, Status.READY, Status.FAILED).attempts == 1, worker.log()


@pytest.mark.prove
def test_nothing_is_left_of_chunks_where_they_are_turned_off_meanwhile(
    videos: Any, workers: Any, proxy: AwsProxy, film: Path
):
    first = workers.start(AWS_ENDPOINT_URL=proxy.url, **SMALL_CHUNKS)
    proxy.intercept(lambda seen: seen.operation == "UpdateItem" and b"ADD done" in seen.body, after=first.kill)
    video_id = videos.upload(film)
    assert first.process.wait(60) < 0, first.log()
    assert videos.keys(rendition_prefix(video_id))
    workers.start(VODSTACK_CHUNKS_QUEUE_URL="")
    videos.send_again(video_id)
    record = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert record.plan.way is Way.ONE_PASS
    assert videos.keys(rendition_prefix(video_id)) == published(videos, video_id)


def test_a_video_that_takes_its_workers_down_is_given_up_at_last(
    videos: Any, workers: Any, proxy: AwsProxy, tiny_clip: Path
):
    lapsed = Lease(token="t", message_id="m", expires_at=1.0)
    record = VideoRecord(
        video_id=new_video_id(),
        status=Status.PROCESSING,
        upload_date=LONG_AGO,
        updated_at=LONG_AGO,
        lease=lapsed,
        resent=15,
    )
    videos.s3.upload_file(str(tiny_clip), videos.foundation.bucket, original_key(record.video_id))
    videos.sqs.purge_queue(QueueUrl=videos.foundation.queue_url)
    videos.dynamodb.put_item(TableName=videos.foundation.videos_table, **moves.create(record))
    # The sweep sends first and notes it then.
    proxy.intercept(
        takes_a_video,
        before=lambda: videos.wait_for(lambda: videos.record(record.video_id).resent == 16, "the note"),
    )
    # A worker that lives for no more than a minute of the sweep's hour and a half finds the video all the same.
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, VODSTACK_RESEND_AFTER_SECONDS="360")
    ended = videos.wait_until(record.video_id, Status.READY, Status.FAILED)
    assert ended.error.code is FailureCode.PROCESSING_FAILED, worker.log()
    assert ended.resent == 16


@pytest.mark.prove
def test_a_last_chunk_waits_for_a_dead_workers_lease(videos: Any, workers: Any):
    """At a steady pause, the queue would give up the message before the lease lapses."""
    now = time.time()
    record = VideoRecord(
        video_id=new_video_id(),
        status=Status.PROCESSING,
        upload_date=LONG_AGO,
        updated_at=LONG_AGO,
        plan=EncodePlan(way=Way.CHUNKS, plan_id=PLAN_ID, chunks=1),
        lease=Lease(token="t", message_id="another", expires_at=now + 3600),
    )
    videos.dynamodb.put_item(TableName=videos.foundation.videos_table, **moves.create(record))
    made = small_plan(record.video_id)

    async def finish(table: ChunkTable) -> None:
        await table.put_plan(made)
        for number in made.numbers:
            await table.complete(made, number, result_of(made.plan))

    with_table(videos.foundation, finish)
    worker = workers.start(**SMALL_CHUNKS)
    body = encode_chunk(ChunkJob(video_id=record.video_id, plan_id=PLAN_ID, number=0))
    videos.sqs.send_message(QueueUrl=videos.foundation.chunks_queue_url, MessageBody=body)
    videos.wait_for(lambda: re.search(r"hide_seconds\D+4\.0", worker.log()), "a second look at the video")
    assert re.search(r"hide_seconds\D+2\.0", worker.log())
