"""`vodstack retry`: a video that failed, or was forgotten, is worked on again."""

import time

import click
from botocore.exceptions import ClientError
from msgspec.structs import replace

from vodstack_cli.errors import CommandError
from vodstack_cli.foundation import REFUSALS, Foundation, aws_errors, stack_option
from vodstack_contracts import moves
from vodstack_contracts.jobs import encode_arrival
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord, Way, is_video_id

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


@click.command()
@stack_option
@click.argument("video")
def retry(stack: str, video: str) -> None:
    """Work on VIDEO (its id) again from its original. Safe to repeat."""
    if not is_video_id(video):
        raise CommandError(f"{video!r} is no id of a video: ids are UUIDs in lower case.")
    with aws_errors():
        foundation = Foundation(stack)
        record = _require_workable(foundation.record(video), video)
        was = record.status
        _require_original(foundation, video)
        if was is Status.FAILED:
            _queue_failed(foundation, record)
        body = encode_arrival(video, foundation.bucket)
        foundation.sqs.send_message(QueueUrl=foundation.arrivals.url, MessageBody=body)
    click.echo(f"{video} was {was}; its arrival is sent again.")


def _require_workable(record: VideoRecord | None, video: str) -> VideoRecord:
    if record is None or record.status is Status.DELETED:
        raise CommandError(f"There is no video {video}.")
    if record.status is Status.READY:
        raise CommandError(f"The video {video} is ready: there is nothing to try again.")
    if record.status is Status.PROCESSING and record.lease and record.lease.expires_at > time.time():
        raise CommandError(
            f"A worker has the video {video} in hand, at {record.progress:.0%}. "
            "Should that worker be dead, another takes the video over by itself."
        )
    return record


def _require_original(foundation: Foundation, video: str) -> None:
    try:
        foundation.s3.head_object(Bucket=foundation.bucket, Key=original_key(video))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in _ABSENT:
            raise CommandError(f"The original of {video} is not stored: the video has to be uploaded again.") from error
        if code in REFUSALS:
            raise CommandError(
                f"S3 does not let you look at the original of {video}. Ask for s3:GetObject on originals/*, and for "
                "s3:ListBucket on the bucket: without that, S3 refuses an original that is not stored in the same way."
            ) from error
        raise


def _queue_failed(foundation: Foundation, record: VideoRecord) -> None:
    """Should this die before the arrival is sent, the worker's sweep sends it; so does a second run."""
    video, plan = record.video_id, record.plan
    # Chunks that were given up are wanted again. The reason stays, by which the worker knows that they were.
    chunks = {"plan": replace(plan, way=Way.CHUNKS)} if plan and plan.plan_id else {}
    update = moves.move(
        video,
        Status.QUEUED,
        within={Status.FAILED},
        changes={"failures": 0, "resent": 0, "progress": 0.0, **chunks},
        remove=("error", "warnings", "setback", "stage"),
    )
    try:
        foundation.dynamodb.update_item(TableName=foundation.table, **update)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
            raise
        raise CommandError(f"The video {video} has just changed: look at it and run this again.") from error
