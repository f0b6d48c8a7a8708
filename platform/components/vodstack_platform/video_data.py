"""Everything that holds videos, wired together: the foundation layer's core, and a component for other programs."""

from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from vodstack_contracts.outputs import FoundationOutputs
from vodstack_platform.config.alarms import AlarmSettings
from vodstack_platform.config.foundation import BucketSettings, KeySettings, QueueSettings, TableSettings
from vodstack_platform.data_alarms import SENDERS as ALARM_SENDERS
from vodstack_platform.data_alarms import DataAlarms, DataAlarmsArgs
from vodstack_platform.data_key import DataKey, DataKeyArgs
from vodstack_platform.job_queue import JobQueue, JobQueueArgs
from vodstack_platform.record_table import Index, RecordTable, RecordTableArgs
from vodstack_platform.video_bucket import VideoBucket, VideoBucketArgs

OWNER_INDEX = Index(name="by-owner", hash_key="owner", range_key="upload_date")

Foundation = FoundationOutputs[pulumi.Output[str]]


@dataclass(frozen=True, kw_only=True)
class VideoDataArgs:
    """Without any of them: protected, encrypted, closed to the public, and named as in vodstack's own stacks."""

    bucket: BucketSettings = field(default_factory=BucketSettings)
    """The bucket's name, the web origins that may use it, and the days that it keeps what."""
    tables: TableSettings = field(default_factory=TableSettings)
    """Names of the tables, which an account has once a region, and their protection."""
    queues: QueueSettings = field(default_factory=QueueSettings)
    """Names of the queues, which an account has once a region, and their times in seconds."""
    key: KeySettings = field(default_factory=KeySettings)
    """Days that the deleted key can be brought back."""
    alarms: AlarmSettings | None = None
    """Who is told of dead letters, old messages and throttled tables. None: no alarms."""
    protect: bool = True
    """Make Pulumi refuse to delete what holds data. Turn it off in an `up` before a `destroy`."""


class VideoData(pulumi.ComponentResource):
    """Bucket, queues and tables of videos under one key, with the events by which an original becomes a job."""

    outputs: Foundation

    def __init__(
        self, name: str, args: VideoDataArgs | None = None, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vodstack:platform:VideoData", name, None, opts)
        asked = pulumi.InvokeOutputOptions(parent=self)
        region = aws.get_region_output(opts=asked).region
        label = f"{pulumi.get_project()}-{pulumi.get_stack()}-{name}"
        child = pulumi.ResourceOptions(parent=self)
        self.outputs = store_videos(args or VideoDataArgs(), region, child, label=label, prefix=f"{name}-")
        self.register_outputs({"bucket_name": self.outputs.bucket_name, "key_arn": self.outputs.key_arn})


def store_videos(
    args: VideoDataArgs, region: pulumi.Input[str], opts: pulumi.ResourceOptions, *, label: str, prefix: str = ""
) -> Foundation:
    """The parts, below the parent of `opts`. `label` is theirs alone within the account, `prefix` within the program.

    What is no data, such as the network, is empty in the result.
    """
    account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=opts.parent)).account_id
    key = DataKey(f"{prefix}data", _key(args, account, label), opts).key_arn
    bucket_args = VideoBucketArgs(stack=pulumi.get_stack(), settings=args.bucket, key_arn=key, protect=args.protect)
    bucket = VideoBucket(f"{prefix}videos", bucket_args, opts)
    arrivals = JobQueue(f"{prefix}arrivals", _queue(args, args.queues.arrivals, key), opts)
    chunks = JobQueue(f"{prefix}chunks", _queue(args, args.queues.chunks, key), opts)
    bucket.notify(arrivals.queue_arn, after=arrivals.accept_events(bucket.bucket_arn, account))
    videos = RecordTable(f"{prefix}videos", _videos(args, key), opts)
    work = RecordTable(f"{prefix}work", _work(args, key), opts)
    if args.alarms:
        DataAlarms(f"{prefix}alarms", _alarms(args, args.alarms, key, account, (label, prefix)), opts)
    nothing = pulumi.Output.from_input("")
    return FoundationOutputs(
        region=pulumi.Output.from_input(region),
        vpc_id=nothing,
        private_subnet_ids=nothing,
        public_subnet_ids=nothing,
        key_arn=key,
        bucket_name=bucket.bucket_name,
        bucket_arn=bucket.bucket_arn,
        videos_table_name=videos.table_name,
        videos_table_arn=videos.table_arn,
        work_table_name=work.table_name,
        work_table_arn=work.table_arn,
        arrivals_queue_url=arrivals.queue_url,
        arrivals_queue_arn=arrivals.queue_arn,
        arrivals_dlq_url=arrivals.dlq_url,
        arrivals_dlq_arn=arrivals.dlq_arn,
        arrivals_visibility_seconds=pulumi.Output.from_input(str(args.queues.visibility_timeout_seconds)),
        chunks_queue_url=chunks.queue_url,
        chunks_queue_arn=chunks.queue_arn,
        chunks_dlq_url=chunks.dlq_url,
        chunks_dlq_arn=chunks.dlq_arn,
        api_repository_url=nothing,
        worker_repository_url=nothing,
        deploy_role_arn=nothing,
        preview_role_arn=nothing,
        token_issuer=nothing,
        token_client_ids=nothing,
        token_scope_prefix=nothing,
        token_url=nothing,
    )


def _key(args: VideoDataArgs, account: pulumi.Output[str], label: str) -> DataKeyArgs:
    return DataKeyArgs(
        account_id=account,
        alias=label,
        senders=("s3.amazonaws.com", *(ALARM_SENDERS if args.alarms else ())),
        deletion_window_days=args.key.deletion_window_days,
        protect=args.protect,
    )


def _queue(args: VideoDataArgs, queue_name: str, key: pulumi.Output[str]) -> JobQueueArgs:
    return JobQueueArgs(queue_name=queue_name, settings=args.queues, key_arn=key)


def _videos(args: VideoDataArgs, key: pulumi.Output[str]) -> RecordTableArgs:
    return RecordTableArgs(
        table_name=args.tables.videos,
        hash_key="video_id",
        indexes=(OWNER_INDEX,),
        key_arn=key,
        point_in_time_recovery=args.tables.point_in_time_recovery,
        deletion_protection=args.tables.deletion_protection,
        protect=args.protect,
    )


def _work(args: VideoDataArgs, key: pulumi.Output[str]) -> RecordTableArgs:
    return RecordTableArgs(
        table_name=args.tables.work,
        hash_key="pk",
        range_key="sk",
        key_arn=key,
        point_in_time_recovery=args.tables.point_in_time_recovery,
        deletion_protection=args.tables.deletion_protection,
        protect=args.protect,
    )


def _alarms(
    args: VideoDataArgs,
    settings: AlarmSettings,
    key: pulumi.Output[str],
    account: pulumi.Output[str],
    prefixes: tuple[str, str],
) -> DataAlarmsArgs:
    prefix, child_prefix = prefixes
    return DataAlarmsArgs(
        prefix=prefix,
        child_prefix=child_prefix,
        account_id=account,
        key_arn=key,
        settings=settings,
        queues={"arrivals": args.queues.arrivals, "chunks": args.queues.chunks},
        tables={"videos": args.tables.videos, "work": args.tables.work},
    )
