from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_contracts.outputs import FoundationOutputs
from vodstack_platform.config import LayerName
from vodstack_platform.config.foundation import FoundationSettings, NetworkSettings
from vodstack_platform.data_alarms import SENDERS as ALARM_SENDERS
from vodstack_platform.data_alarms import DataAlarms, DataAlarmsArgs
from vodstack_platform.data_key import DataKey, DataKeyArgs
from vodstack_platform.deployment_access import Territory
from vodstack_platform.gateway_endpoints import GatewayEndpoints, GatewayEndpointsArgs
from vodstack_platform.github_delivery import GithubDelivery, GithubDeliveryArgs
from vodstack_platform.image_registry import ImageRegistry, ImageRegistryArgs
from vodstack_platform.interruption_queue import interruption_queue_name
from vodstack_platform.job_queue import JobQueue, JobQueueArgs
from vodstack_platform.layer import Layer
from vodstack_platform.network import Network, NetworkArgs
from vodstack_platform.policy import role_path
from vodstack_platform.record_table import Index, RecordTable, RecordTableArgs
from vodstack_platform.video_bucket import VideoBucket, VideoBucketArgs, name_prefix

Foundation = FoundationOutputs[pulumi.Output[str]]
OWNER_INDEX = Index(name="by-owner", hash_key="owner", range_key="upload_date")


def build(settings: FoundationSettings, region: str, cluster_name: str, provider: aws.Provider) -> Foundation:
    layer = Layer(LayerName.FOUNDATION, [provider])
    opts = pulumi.ResourceOptions(parent=layer)
    account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=layer)).account_id
    key = _key(settings, account, opts)
    network = _network(settings.network, region, opts)
    bucket = _bucket(settings, key, opts)
    arrivals, chunks = _queues(settings, key, opts)
    bucket.notify(arrivals.queue_arn, after=arrivals.accept_events(bucket.bucket_arn, account))
    videos, work = _tables(settings, key, opts)
    api, worker = _registries(settings, key, opts)
    _alarms(settings, key, account, opts)
    roles = _delivery(settings, _territory(settings, region, cluster_name, account), opts)
    outputs = FoundationOutputs(
        region=pulumi.Output.from_input(region),
        vpc_id=network.vpc_id,
        private_subnet_ids=network.private_subnet_ids,
        public_subnet_ids=network.public_subnet_ids,
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
        arrivals_visibility_seconds=pulumi.Output.from_input(str(settings.queues.visibility_timeout_seconds)),
        chunks_queue_url=chunks.queue_url,
        chunks_queue_arn=chunks.queue_arn,
        chunks_dlq_url=chunks.dlq_url,
        chunks_dlq_arn=chunks.dlq_arn,
        api_repository_url=api.repository_url,
        worker_repository_url=worker.repository_url,
        deploy_role_arn=roles.deploy_role_arn,
        preview_role_arn=roles.preview_role_arn,
    )
    layer.publish(outputs)
    return outputs


@dataclass(frozen=True)
class DeliveryRoles:
    """Empty where no workflow delivers the stack."""

    deploy_role_arn: pulumi.Output[str]
    preview_role_arn: pulumi.Output[str]


@dataclass(frozen=True)
class _NetworkIds:
    vpc_id: pulumi.Output[str]
    private_subnet_ids: pulumi.Output[str]
    public_subnet_ids: pulumi.Output[str]


def _network(settings: NetworkSettings, region: str, opts: pulumi.ResourceOptions) -> _NetworkIds:
    if settings.mode == "create":
        name_tag = f"vodstack-{pulumi.get_stack()}"
        made = Network("network", NetworkArgs(name_tag=name_tag, region=region, settings=settings), opts)
        return _NetworkIds(made.vpc_id, _joined(made.private_subnet_ids), _joined(made.public_subnet_ids))
    existing = settings.existing
    if existing and existing.route_table_ids:
        endpoints = GatewayEndpointsArgs(
            vpc_id=existing.vpc_id, region=region, route_table_ids=existing.route_table_ids
        )
        GatewayEndpoints("network", endpoints, opts)
    return _NetworkIds(
        pulumi.Output.from_input(existing.vpc_id if existing else ""),
        _joined(existing.private_subnet_ids if existing else ()),
        _joined(existing.public_subnet_ids if existing else ()),
    )


def _territory(settings: FoundationSettings, region: str, cluster_name: str, account: pulumi.Output[str]) -> Territory:
    stack = pulumi.get_stack()
    queues = (settings.queues.arrivals, settings.queues.chunks)
    return Territory(
        stack=stack,
        region=region,
        account=account,
        bucket_prefix=name_prefix(settings.bucket, stack),
        queues=[
            *(f"{name}{suffix}" for name in queues for suffix in ("", "-dlq")),
            interruption_queue_name(cluster_name),
        ],
        tables=[settings.tables.videos, settings.tables.work],
        repositories=[settings.registries.api, settings.registries.worker],
        cluster=cluster_name,
        role_path=role_path(stack),
        delivery_path=f"/vodstack-delivery/{stack}/",
    )


def _delivery(settings: FoundationSettings, territory: Territory, opts: pulumi.ResourceOptions) -> DeliveryRoles:
    if settings.github is None:
        return DeliveryRoles(pulumi.Output.from_input(""), pulumi.Output.from_input(""))
    args = GithubDeliveryArgs(settings=settings.github, territory=territory)
    made = GithubDelivery("github", args, opts)
    return DeliveryRoles(made.deploy_role_arn, made.preview_role_arn)


def _joined(ids: list[pulumi.Output[str]] | tuple[str, ...]) -> pulumi.Output[str]:
    return pulumi.Output.all(*ids).apply(lambda known: ",".join(map(str, known)))


def _key(settings: FoundationSettings, account: pulumi.Output[str], opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    args = DataKeyArgs(
        account_id=account,
        senders=("s3.amazonaws.com", *(ALARM_SENDERS if settings.alarms else ())),
        deletion_window_days=settings.key.deletion_window_days,
        protect=settings.protect,
    )
    return DataKey("data", args, opts).key_arn


def _bucket(settings: FoundationSettings, key: pulumi.Output[str], opts: pulumi.ResourceOptions) -> VideoBucket:
    args = VideoBucketArgs(stack=pulumi.get_stack(), settings=settings.bucket, key_arn=key, protect=settings.protect)
    return VideoBucket("videos", args, opts)


def _alarms(
    settings: FoundationSettings, key: pulumi.Output[str], account: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> None:
    if settings.alarms is None:
        return
    args = DataAlarmsArgs(
        prefix=f"vodstack-{pulumi.get_stack()}",
        account_id=account,
        key_arn=key,
        settings=settings.alarms,
        queues={"arrivals": settings.queues.arrivals, "chunks": settings.queues.chunks},
        tables={"videos": settings.tables.videos, "work": settings.tables.work},
    )
    DataAlarms("alarms", args, opts)


def _queues(
    settings: FoundationSettings, key: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> tuple[JobQueue, JobQueue]:
    queues = settings.queues
    arrivals = JobQueueArgs(queue_name=queues.arrivals, settings=queues, key_arn=key)
    chunks = JobQueueArgs(queue_name=queues.chunks, settings=queues, key_arn=key)
    return JobQueue("arrivals", arrivals, opts), JobQueue("chunks", chunks, opts)


def _tables(
    settings: FoundationSettings, key: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> tuple[RecordTable, RecordTable]:
    videos = RecordTableArgs(
        table_name=settings.tables.videos,
        hash_key="video_id",
        indexes=(OWNER_INDEX,),
        key_arn=key,
        point_in_time_recovery=settings.tables.point_in_time_recovery,
        deletion_protection=settings.tables.deletion_protection,
        protect=settings.protect,
    )
    work = RecordTableArgs(
        table_name=settings.tables.work,
        hash_key="pk",
        range_key="sk",
        key_arn=key,
        point_in_time_recovery=settings.tables.point_in_time_recovery,
        deletion_protection=settings.tables.deletion_protection,
        protect=settings.protect,
    )
    return RecordTable("videos", videos, opts), RecordTable("work", work, opts)


def _registries(
    settings: FoundationSettings, key: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> tuple[ImageRegistry, ImageRegistry]:
    def registry(name: str, repository_name: str) -> ImageRegistry:
        args = ImageRegistryArgs(
            repository_name=repository_name,
            key_arn=key,
            keep_images=settings.registries.keep_images,
            force_delete=not settings.protect,
        )
        return ImageRegistry(name, args, opts)

    return registry("api", settings.registries.api), registry("worker", settings.registries.worker)
