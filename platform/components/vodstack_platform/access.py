"""What each service may do to AWS: nothing that it does not do, on nothing but what is its own."""

import pulumi

from vodstack_contracts.objects import ORIGINALS_PREFIX, RENDITIONS_PREFIX
from vodstack_contracts.outputs import FoundationOutputs
from vodstack_platform.policy import Statement

Foundation = FoundationOutputs[pulumi.Output[str]]
_UPLOAD = ("s3:PutObject", "s3:AbortMultipartUpload")


def api_statements(foundation: Foundation) -> list[Statement]:
    videos, work = foundation.videos_table_arn, foundation.work_table_arn
    record = ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
    return [
        Statement(
            sid="Originals",
            actions=[*_UPLOAD, "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts"],
            resources=[_objects(foundation, ORIGINALS_PREFIX)],
        ),
        Statement(
            sid="Renditions",
            actions=["s3:GetObject", "s3:DeleteObject"],
            resources=[_objects(foundation, RENDITIONS_PREFIX)],
        ),
        Statement(
            # Uploads that nobody completes are looked for.
            sid="Bucket",
            actions=["s3:ListBucket", "s3:ListBucketMultipartUploads"],
            resources=[foundation.bucket_arn],
        ),
        Statement(sid="Records", actions=list(record), resources=[videos, work]),
        _key(foundation, "dynamodb", "s3"),
        Statement(sid="Lists", actions=["dynamodb:Query"], resources=[pulumi.Output.concat(videos, "/index/by-owner")]),
    ]


def worker_statements(foundation: Foundation) -> list[Statement]:
    queue = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage")
    record = ("dynamodb:GetItem", "dynamodb:UpdateItem")
    return [
        Statement(sid="Originals", actions=["s3:GetObject"], resources=[_objects(foundation, ORIGINALS_PREFIX)]),
        Statement(
            # Chunks are read to be put together; what was published of a video that was deleted meanwhile is withdrawn.
            sid="Renditions",
            actions=[*_UPLOAD, "s3:GetObject", "s3:DeleteObject"],
            resources=[_objects(foundation, RENDITIONS_PREFIX)],
        ),
        Statement(
            # Uploads that a dead worker left open are looked for.
            sid="Bucket",
            actions=["s3:ListBucket", "s3:ListBucketMultipartUploads"],
            resources=[foundation.bucket_arn],
        ),
        Statement(
            sid="Jobs",
            actions=[f"sqs:{action}" for action in queue],
            resources=[foundation.arrivals_queue_arn, foundation.chunks_queue_arn],
        ),
        _key(foundation, "dynamodb", "s3", "sqs"),
        # Scan is the sweep's, for videos whose message was lost.
        Statement(sid="Records", actions=[*record, "dynamodb:Scan"], resources=[foundation.videos_table_arn]),
        Statement(
            sid="Work",
            # Query is for jobs that wait for their owner's share.
            actions=[*record, "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"],
            resources=[foundation.work_table_arn],
        ),
    ]


def scaler_statements(foundation: Foundation) -> list[Statement]:
    """Return what counts the messages of the worker's queues, and the jobs that wait in the work table."""
    queues = [foundation.arrivals_queue_arn, foundation.chunks_queue_arn]
    return [
        Statement(sid="Queues", actions=["sqs:GetQueueAttributes"], resources=queues),
        Statement(sid="Waiting", actions=["dynamodb:Query"], resources=[foundation.work_table_arn]),
        _key(foundation, "dynamodb", actions=("kms:Decrypt",)),
    ]


def _key(
    foundation: Foundation, *services: str, actions: tuple[str, ...] = ("kms:Decrypt", "kms:GenerateDataKey")
) -> Statement:
    """The use of the data key, and that only through the services that hold the data."""
    via = [pulumi.Output.concat(service, ".", foundation.region, ".amazonaws.com") for service in services]
    return Statement(
        sid="Key",
        actions=list(actions),
        resources=[foundation.key_arn],
        condition={"StringEquals": {"kms:ViaService": via}},
    )


def _objects(foundation: Foundation, prefix: str) -> pulumi.Output[str]:
    return pulumi.Output.concat(foundation.bucket_arn, "/", prefix, "*")
