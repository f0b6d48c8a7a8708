import pulumi
import pulumi_aws as aws

from vodstack_contracts.outputs import FoundationOutputs
from vodstack_platform.config import LayerName
from vodstack_platform.config.foundation import FoundationSettings
from vodstack_platform.image_registry import ImageRegistry, ImageRegistryArgs
from vodstack_platform.job_queue import JobQueue, JobQueueArgs
from vodstack_platform.layer import Layer
from vodstack_platform.record_table import Index, RecordTable, RecordTableArgs
from vodstack_platform.video_bucket import VideoBucket, VideoBucketArgs


def build(settings: FoundationSettings, region: str, provider: aws.Provider) -> FoundationOutputs[pulumi.Output[str]]:
    layer = Layer(LayerName.FOUNDATION, [provider])
    opts = pulumi.ResourceOptions(parent=layer)
    bucket = VideoBucket(
        "videos", VideoBucketArgs(stack=pulumi.get_stack(), settings=settings.bucket, protect=settings.protect), opts
    )
    arrivals = JobQueue("arrivals", JobQueueArgs(queue_name=settings.queues.arrivals, settings=settings.queues), opts)
    chunks = JobQueue("chunks", JobQueueArgs(queue_name=settings.queues.chunks, settings=settings.queues), opts)
    identity = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=layer))
    bucket.notify(arrivals.queue_arn, after=arrivals.accept_events(bucket.bucket_arn, identity.account_id))
    videos, work = _tables(settings, opts)
    api, worker = _registries(settings, opts)
    outputs = FoundationOutputs(
        region=pulumi.Output.from_input(region),
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
        arrivals_visibility_seconds=pulumi.Output.from_input(str(settings.queues.visibility_timeout_seconds)),
        chunks_queue_url=chunks.queue_url,
        chunks_queue_arn=chunks.queue_arn,
        chunks_dlq_url=chunks.dlq_url,
        chunks_dlq_arn=chunks.dlq_arn,
        api_repository_url=api.repository_url,
        worker_repository_url=worker.repository_url,
    )
    layer.publish(outputs)
    return outputs


def _tables(settings: FoundationSettings, opts: pulumi.ResourceOptions) -> tuple[RecordTable, RecordTable]:
    videos = RecordTableArgs(
        table_name=settings.tables.videos,
        hash_key="video_id",
        indexes=(Index(name="by-owner", hash_key="owner", range_key="upload_date"),),
        point_in_time_recovery=settings.tables.point_in_time_recovery,
        deletion_protection=settings.tables.deletion_protection,
        protect=settings.protect,
    )
    work = RecordTableArgs(
        table_name=settings.tables.work,
        hash_key="pk",
        range_key="sk",
        point_in_time_recovery=settings.tables.point_in_time_recovery,
        deletion_protection=settings.tables.deletion_protection,
        protect=settings.protect,
    )
    return RecordTable("videos", videos, opts), RecordTable("work", work, opts)


def _registries(settings: FoundationSettings, opts: pulumi.ResourceOptions) -> tuple[ImageRegistry, ImageRegistry]:
    keep, disposable = settings.registries.keep_images, not settings.protect
    api = ImageRegistryArgs(repository_name=settings.registries.api, keep_images=keep, force_delete=disposable)
    worker = ImageRegistryArgs(repository_name=settings.registries.worker, keep_images=keep, force_delete=disposable)
    return ImageRegistry("api", api, opts), ImageRegistry("worker", worker, opts)
