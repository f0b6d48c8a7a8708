"""A film that fell back to one pass goes back to its chunks when an operator says so, and keeps those that are done."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec import structs
from tests.aws_proxy import AwsProxy, Seen
from tests.worker.running import SMALL_CHUNKS
from tests.worker.test_chaos import published
from tests.worker.test_chunks import scarce
from tests.worker.test_ends import PLAN_ID, plan_of, small_plan, with_table

from vodstack_cli.main import cli
from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import FailureCode, Lease, Status, Way
from vodstack_worker.chunk_table import ChunkTable, Standing
from vodstack_worker.plans import Chunk, ChunkPlan
from vodstack_worker.reopening import lost_jobs
from vodstack_worker.segments import ChunkResult

DONE = ChunkResult(frames=100, inits={}, seconds=1.0)


def is_new_plan(seen: Seen) -> bool:
    return seen.operation == "PutItem" and '"sk": {"S": "plan"}' in seen.body.decode()


@pytest.mark.prove
def test_a_film_whose_chunks_were_given_up_is_made_of_chunks_once_the_cause_is_mended(
    videos: Any, workers: Any, proxy: AwsProxy, film: Path
):
    def store_plan(seek: float | None = None) -> None:
        """As it was made; or with a second chunk that begins to read behind its first frame."""
        (item,) = [json.loads(seen.body)["Item"] for seen in proxy.seen if is_new_plan(seen)]
        plan = json.loads(item["plan"]["S"])
        plan["chunks"][1]["seek"] = seek or plan["chunks"][1]["seek"]
        item["plan"]["S"] = json.dumps(plan)
        videos.dynamodb.put_item(TableName=videos.foundation.work_table, Item=item)

    proxy.intercept(is_new_plan, after=lambda: store_plan(7.0))
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, **SMALL_CHUNKS, **scarce(film))
    video_id = videos.upload(film)
    record = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert (record.error.code, record.plan.way) == (FailureCode.SOURCE_TOO_LARGE, Way.ONE_PASS), worker.log()

    store_plan()
    stack = f"test-{videos.foundation.videos_table.removeprefix('videos-')}"
    # What the services read has no place in an operator's shell, and the command says so.
    environment = {name: text for name, text in videos.foundation.environment.items() if name.startswith("AWS_")}
    CliRunner().invoke(cli, ["retry", "--stack", stack, video_id], env=environment, catch_exceptions=False)
    again = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert again.status is Status.READY, worker.log()
    assert (again.plan.way, again.plan.chunks, again.plan.reason) == (Way.CHUNKS, 3, "")
    assert again.plan.plan_id == record.plan.plan_id
    encoded = [json.loads(line) for line in worker.log().splitlines() if "chunk encoded" in line]
    assert sorted(line["chunk"] for line in encoded) == [0, 1, 2, 3]
    assert videos.keys(rendition_prefix(video_id)) == published(videos, video_id)


def test_a_chunk_is_done_only_as_long_as_all_its_files_are_there():
    plan = plan_of(16.0)
    plan = structs.replace(plan, probe=structs.replace(plan.probe, audios=2 * plan.probe.audios))
    chunks = [
        Chunk(number=0, first=0, end=200, last=False, seek=None),
        Chunk(number=1, first=200, end=380, last=True, seek=8.0),
    ]
    made = ChunkPlan(plan_id=PLAN_ID, video_id="v", size=1, etag="e", plan=plan, chunks=chunks)
    sound = ChunkResult(frames=0, inits={}, seconds=1.0, lengths=[4.0, 4.0])
    results = {0: DONE, 1: ChunkResult(frames=180, inits={}, seconds=1.0), 2: sound}
    rungs = [rung.name for rung in plan.rungs]
    first = {f"{rung}/{PLAN_ID}-{name}" for rung in rungs for name in ("init.mp4", "00000.m4s")}
    second = {f"{rung}/{PLAN_ID}-{name}.m4s" for rung in rungs for name in ("00002", "00003")}
    names = ("init.mp4", "00000.m4s", "00001.m4s")
    heard = {f"{track}/{PLAN_ID}-{name}" for track in ("audio", "audio-1") for name in names}
    standing = Standing(made, results)
    assert lost_jobs(standing, first | second | heard) == []
    assert lost_jobs(standing, set()) == [0, 1, 2]
    for number, files in enumerate((first, second, heard)):
        for file in files:
            assert lost_jobs(standing, (first | second | heard) - {file}) == [number]
    assert lost_jobs(Standing(made, {1: results[1]}), second) == []


def test_a_job_that_is_taken_up_again_is_neither_done_nor_anybodys_nor_has_it_failed(foundation: Any):
    lease = Lease(token="t", message_id="m", expires_at=time.time() + 600)

    async def work(table: ChunkTable) -> None:
        plan = small_plan("v")
        await table.put_plan(plan)
        await table.take(PLAN_ID, 0, lease)
        await table.extend(PLAN_ID, 0, lease, failures=3)
        await table.complete(plan, 0, DONE)
        for _ in range(2):
            await table.reopen(PLAN_ID, undone=[0], free=[0])
        standing = await table.read_standing(PLAN_ID)
        assert standing
        assert 0 in standing.missing
        assert await table.take(PLAN_ID, 0, lease) == 0
        await table.reopen("0badc0de", undone=[0], free=[])
        assert await table.read_standing("0badc0de") is None

    with_table(foundation, work)
