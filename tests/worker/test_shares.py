"""Real workers under an owner's share and quota: videos wait, go on, and are never lost, whoever is killed."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.aws_proxy import AwsProxy, Seen, is_write
from tests.worker.running import SMALL_CHUNKS, Videos, WorkerProcess, Workers
from tests.worker.test_kill_points import NO_VIDEO

from vodstack_contracts.fair_use import day_of, encoded_key
from vodstack_contracts.items import from_attribute
from vodstack_contracts.videos import Status

ONE_AT_A_TIME = {"VODSTACK_JOBS_PER_OWNER": "1", "VODSTACK_JOBS": "2", "VODSTACK_VISIBILITY_TIMEOUT_SECONDS": "4"}
ENDS = (Status.READY, Status.FAILED)


def name_of(seen: Seen) -> str:
    """A write to the work table or a queue, by what it does."""
    request = json.loads(seen.body) if seen.body.startswith(b"{") else {}
    key = request.get("Key") or request.get("Item") or {}
    if "pk" not in key:
        return seen.operation if seen.operation in {"SendMessage", "DeleteMessage"} else ""
    line = key["pk"]["S"].partition("#")[0]
    return f"{seen.operation} {line} {request.get('UpdateExpression', '').partition(' ')[0]}".strip()


def require_end(videos: Videos, video_ids: list[str], worker: WorkerProcess) -> None:
    for video_id in video_ids:
        record = videos.wait_until(video_id, *ENDS)
        assert (record.lease, record.failures) == (None, 0), worker.log()
    for url in (videos.foundation.queue_url, videos.foundation.chunks_queue_url):
        videos.wait_for(lambda url=url: videos.queue_is_empty(url), "the messages to be deleted")
    videos.wait_for(lambda: left_over(videos) == [], "nothing to wait any more")


def has_died(worker: WorkerProcess) -> bool:
    return worker.process.poll() is not None


def wait_for_end(videos: Videos, video_ids: list[str], worker: WorkerProcess) -> None:
    """Of the videos, or of the worker."""
    videos.wait_for(
        lambda: has_died(worker) or all(videos.record(each).status in ENDS for each in video_ids),
        f"an end: {worker.log()}",
    )


def forget_turns(videos: Videos) -> None:
    """Let an owner be one who was never seen before."""
    key = {"pk": {"S": "turns#greedy"}, "sk": {"S": "running"}}
    videos.dynamodb.delete_item(TableName=videos.foundation.work_table, Key=key)


def left_over(videos: Videos) -> list[str]:
    """What waits, and who is counted as at work."""
    items = videos.dynamodb.scan(TableName=videos.foundation.work_table, ConsistentRead=True)["Items"]
    waiting = [item["sk"]["S"] for item in items if item["pk"]["S"].startswith("waiting")]
    running = [key for item in items if "running" in item for key in item["running"]["M"]]
    return waiting + running


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("side", ["before", "after"])
def test_whichever_write_a_worker_is_killed_at_every_video_of_an_owner_comes_to_its_end(
    side: str, videos: Any, workers: Workers, proxy: AwsProxy
):
    worker = workers.start(AWS_ENDPOINT_URL=proxy.url, **ONE_AT_A_TIME)
    require_end(videos, [videos.upload(NO_VIDEO, owner="greedy") for _ in range(3)], worker)
    points = [name for name in dict.fromkeys(name_of(seen) for seen in proxy.seen if is_write(seen)) if name]
    assert {"PutItem waiting", "DeleteItem waiting", "SendMessage", "UpdateItem turns REMOVE"} <= set(points)
    deaths = 0
    for point in points:
        proxy.clear()
        forget_turns(videos)
        blow: dict[str, Any] = {"before": worker.kill, "status": 503} if side == "before" else {"after": worker.kill}
        proxy.intercept(lambda seen, point=point: is_write(seen) and name_of(seen) == point, nth=1, **blow)
        video_ids = [videos.upload(NO_VIDEO, owner="greedy") for _ in range(3)]
        # How the three meet is a matter of chance, and so is whether each write is needed.
        wait_for_end(videos, video_ids, worker)
        if has_died(worker):
            deaths += 1
            worker = workers.start(AWS_ENDPOINT_URL=proxy.url, **ONE_AT_A_TIME)
        require_end(videos, video_ids, worker)
    assert deaths >= len(points) / 2


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_another_owners_video_overtakes_a_greedy_owners_chunks_which_all_become_ready(
    videos: Any, workers: Workers, film: Path, tiny_clip: Path
):
    greedy = [videos.upload(film, owner="greedy") for _ in range(4)]
    worker = workers.start(**ONE_AT_A_TIME | {"VODSTACK_VISIBILITY_TIMEOUT_SECONDS": "60"}, **SMALL_CHUNKS)
    videos.wait_for(lambda: "chunk encoded" in worker.log(), "the first chunk")
    other = videos.upload(tiny_clip, owner="other")
    assert videos.wait_until(other, *ENDS).status is Status.READY, worker.log()
    assert sum(videos.record(each).status is not Status.READY for each in greedy) >= 2
    require_end(videos, greedy, worker)
    assert {videos.record(each).status for each in greedy} == {Status.READY}


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_a_video_beyond_the_days_minutes_waits_for_the_next_day_and_is_counted_once(
    videos: Any, workers: Workers, tiny_clip: Path
):
    worker = workers.start(VODSTACK_ENCODED_MINUTES_PER_DAY="1", VODSTACK_JOBS="1")
    first = videos.upload(tiny_clip, owner="owner")
    record = videos.wait_until(first, *ENDS)
    assert (record.status, record.charge.minutes) == (Status.READY, 0.1), worker.log()
    key = encoded_key("owner", record.charge.day)
    item = videos.dynamodb.get_item(TableName=videos.foundation.work_table, Key=key)["Item"]
    assert (set(item), from_attribute(item["minutes"])) == ({"pk", "sk", "minutes", "expires_at"}, 0.1)
    videos.dynamodb.put_item(TableName=videos.foundation.work_table, Item=item | {"minutes": {"N": "1"}})
    second = videos.upload(tiny_clip, owner="owner")
    videos.wait_for(lambda: videos.record(second).waits_until, "the second to be put back")
    waiting = videos.wait_until(second, Status.QUEUED)
    assert day_of(waiting.waits_until - 1) == record.charge.day
    assert (waiting.attempts, waiting.lease, waiting.charge) == (0, None, None)
    videos.wait_for(videos.queue_is_empty, "its message to be deleted")
    other = videos.upload(tiny_clip, owner="other")
    assert videos.wait_until(other, *ENDS).status is Status.READY
