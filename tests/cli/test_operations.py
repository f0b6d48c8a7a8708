"""The operator's commands, against a foundation layer that the Pulumi program made."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from tests.cli.conftest import Operator, own_environment

from vodstack_cli.errors import CommandError
from vodstack_contracts.jobs import ChunkJob, encode_chunk
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import (
    EncodePlan,
    Failure,
    FailureCode,
    Lease,
    Status,
    Way,
    new_video_id,
)

POISON = '{"Records": "of what?"}'


def test_jobs_shows_depths_and_dead_letters_with_their_reasons_and_takes_nothing_away(operator: Operator):
    setback = "publishing failed: SlowDown"
    video_id = operator.create(Status.PROCESSING, attempts=20, setback=setback)
    unknown = new_video_id()
    for body in (operator.arrival_of(video_id), operator.arrival_of(unknown), POISON):
        operator.give_up_on(body)
    for _ in range(2):
        shown = operator.run("jobs")
        assert f"{video_id} processing, 20 attempts: {setback}" in shown
        assert f"{unknown} the video is unknown" in shown
        assert "malformed: not an S3 event notification" in shown
        assert "arrivals │ 0 │ 0 │ 0 │ 3" in shown
    assert len(operator.take_all(operator.foundation.dlq_url)) == 3


def test_jobs_and_redrive_understand_chunk_jobs(operator: Operator):
    plan = EncodePlan(way=Way.CHUNKS, plan_id="00c0ffee", chunks=3)
    wanted = operator.create(Status.PROCESSING, plan=plan)
    fallen = operator.create(Status.PROCESSING, plan=EncodePlan(way=Way.ONE_PASS, plan_id="00c0ffee", reason="no fit"))
    url, sqs = operator.foundation.chunks_queue_url, operator.foundation.client("sqs")
    jobs = [encode_chunk(ChunkJob(video_id=each, plan_id="00c0ffee", number=1)) for each in (wanted, fallen)]
    for body in (*jobs, "{}"):
        sqs.send_message(QueueUrl=f"{url}-dlq", MessageBody=body)
    shown = operator.run("jobs", "--videos")
    assert f"{wanted} chunk 1 of plan 00c0ffee; processing" in shown
    assert f"{fallen} chunk 1 of plan 00c0ffee, which is given up; processing" in shown
    assert "malformed: not a chunk job" in shown
    assert "3 chunks of plan 00c0ffee" in shown
    assert "one pass (no fit)" in shown
    assert operator.run("redrive").endswith("2 sent again, 1 kept.")
    assert sorted(operator.take_all(url)) == sorted(jobs)


def test_jobs_shows_the_videos_in_processing_when_asked_for(operator: Operator):
    lease = Lease(token="t", message_id="m", expires_at=1_900_000_000)
    video_id = operator.create(Status.PROCESSING, progress=0.25, attempts=2, lease=lease)
    assert video_id not in operator.run("jobs")
    shown = operator.run("jobs", "--videos")
    assert video_id in shown
    assert "25%" in shown
    assert "2030-03-17 17:46:40Z" in shown


def test_what_a_message_holds_cannot_steer_the_terminal(operator: Operator):
    operator.give_up_on(json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {
        "bucket": {"name": "other\x1b[2J"}, "object": {"key": original_key(new_video_id())}}}]}))  # fmt: skip
    shown = operator.run("jobs")
    assert "an event of another bucket" in shown
    assert "\x1b" not in shown


def test_redrive_sends_again_what_can_be_worked_on_and_keeps_the_malformed(operator: Operator):
    video_id = operator.create(Status.QUEUED)
    operator.give_up_on(operator.arrival_of(video_id))
    operator.give_up_on(POISON)
    assert operator.run("redrive").endswith("1 sent again, 1 kept.")
    assert operator.videos_sent() == [video_id]
    assert operator.run("redrive").endswith("0 sent again, 1 kept.")
    assert operator.take_all(operator.foundation.dlq_url) == [POISON]


def test_redrive_does_nothing_in_a_dry_run(operator: Operator):
    operator.give_up_on(operator.arrival_of(operator.create(Status.QUEUED)))
    assert operator.run("redrive", "--dry-run").endswith("1 would be sent again, 0 kept.")
    assert operator.videos_sent() == []
    assert len(operator.take_all(operator.foundation.dlq_url)) == 1


def test_redrive_takes_one_message_or_one_videos_messages_by_id(operator: Operator):
    first, second = operator.create(Status.QUEUED), operator.create(Status.QUEUED)
    operator.give_up_on(operator.arrival_of(first))
    message_id = operator.give_up_on(operator.arrival_of(second))
    assert operator.run("redrive", "--id", first).endswith("1 sent again, 1 kept.")
    assert operator.videos_sent() == [first]
    assert operator.run("redrive", "--id", message_id).endswith("1 sent again, 0 kept.")
    assert operator.videos_sent() == [second]
    with pytest.raises(CommandError, match="No dead letter has the id"):
        operator.run("redrive", "--id", message_id)


def test_retry_queues_a_failed_video_anew_and_may_be_repeated(operator: Operator):
    failure = Failure(code=FailureCode.PROCESSING_FAILED, message="It failed.")
    video_id = operator.create(Status.FAILED, failures=5, error=failure, setback="ffmpeg was killed")
    operator.store_original(video_id)
    assert f"{video_id} was failed" in operator.run("retry", video_id)
    record = operator.record(video_id)
    assert record.status is Status.QUEUED
    assert (record.failures, record.error, record.setback) == (0, None, "")
    assert operator.videos_sent() == [video_id]
    assert f"{video_id} was queued" in operator.run("retry", video_id)
    assert operator.videos_sent() == [video_id]


@pytest.mark.parametrize(("was", "becomes"), [("00c0ffee", Way.CHUNKS), ("", Way.ONE_PASS)])
def test_retry_goes_back_to_chunks_that_were_given_up(operator: Operator, was: str, becomes: Way):
    plan = EncodePlan(way=Way.ONE_PASS, reason="chunk 1: no", plan_id=was)
    video_id = operator.create(Status.FAILED, plan=plan)
    operator.store_original(video_id)
    operator.run("retry", video_id)
    assert operator.record(video_id).plan == EncodePlan(way=becomes, reason="chunk 1: no", plan_id=was)


def test_retry_leaves_alone_what_needs_none(operator: Operator):
    ready = operator.create(Status.READY)
    held = operator.create(
        Status.PROCESSING, lease=Lease(token="t", message_id="m", expires_at=time.time() + 60), progress=0.5
    )
    without_original = operator.create(Status.FAILED)
    for video, sentence in {
        ready: "is ready",
        held: "A worker has the video",
        without_original: "has to be uploaded again",
        operator.create(Status.DELETED): "There is no video",
        new_video_id(): "There is no video",
        "../etc": "is no id of a video",
    }.items():
        with pytest.raises(CommandError, match=sentence):
            operator.run("retry", video)
    assert operator.record(without_original).status is Status.FAILED
    assert operator.videos_sent() == []


def test_retry_takes_a_video_whose_worker_and_message_are_gone(operator: Operator):
    lapsed = operator.create(Status.PROCESSING, lease=Lease(token="t", message_id="m", expires_at=time.time() - 60))
    operator.store_original(lapsed)
    operator.run("retry", lapsed)
    assert operator.videos_sent() == [lapsed]


def test_a_stack_that_is_not_there_is_a_sentence_and_no_traceback(foundation: Any):
    command = [sys.executable, "-m", "vodstack_cli", "jobs", "--stack", "nowhere"]
    ended = subprocess.run(command, env=own_environment(foundation), capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "There is no parameter /vodstack/nowhere/foundation/v1" in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
