from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from msgspec import structs

from vodstack_contracts.outputs import FoundationOutputs
from vodstack_contracts.state import bucket_name
from vodstack_platform.access_log_bucket import logs_name_prefix
from vodstack_platform.config import LayerName
from vodstack_platform.config.foundation import FoundationSettings, NetworkSettings
from vodstack_platform.deployment_access import Territory
from vodstack_platform.gateway_endpoints import GatewayEndpoints, GatewayEndpointsArgs
from vodstack_platform.github_delivery import GithubDelivery, GithubDeliveryArgs
from vodstack_platform.image_registry import ImageRegistry, ImageRegistryArgs
from vodstack_platform.interruption_queue import interruption_queue_name
from vodstack_platform.layer import Layer
from vodstack_platform.network import Network, NetworkArgs
from vodstack_platform.policy import delivery_path, role_path
from vodstack_platform.role_boundaries import boundary_arns
from vodstack_platform.state_access import StateFolder
from vodstack_platform.user_pool import SCOPE_PREFIX, UserPool, UserPoolArgs, client_stack_name
from vodstack_platform.video_bucket import name_prefix
from vodstack_platform.video_data import VideoDataArgs, store_videos

Foundation = FoundationOutputs[pulumi.Output[str]]


def build(settings: FoundationSettings, region: str, cluster_name: str, provider: aws.Provider) -> Foundation:
    layer = Layer(LayerName.FOUNDATION, [provider])
    opts = pulumi.ResourceOptions(parent=layer)
    account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=layer)).account_id
    network = _network(settings.network, region, opts)
    data = store_videos(_data(settings), region, opts, label=f"vodstack-{pulumi.get_stack()}")
    api, worker = _registries(settings, data.key_arn, opts)
    issuer = _issuer(settings, region, account, opts)
    roles = _delivery(settings, _territory(settings, region, cluster_name, account), opts)
    outputs = structs.replace(
        data,
        vpc_id=network.vpc_id,
        private_subnet_ids=network.private_subnet_ids,
        public_subnet_ids=network.public_subnet_ids,
        api_repository_url=api.repository_url,
        worker_repository_url=worker.repository_url,
        deploy_role_arn=roles.deploy_role_arn,
        preview_role_arn=roles.preview_role_arn,
        **issuer,
    )
    layer.publish(outputs)
    return outputs


def _data(settings: FoundationSettings) -> VideoDataArgs:
    return VideoDataArgs(
        bucket=settings.bucket,
        tables=settings.tables,
        queues=settings.queues,
        key=settings.key,
        alarms=settings.alarms,
        protect=settings.protect,
    )


def _issuer(
    settings: FoundationSettings, region: str, account: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    if settings.cognito is None:
        return {}
    args = UserPoolArgs(
        pool_name=_pool_name(),
        account_id=account,
        region=region,
        settings=settings.cognito,
        protect=settings.protect,
    )
    pool = UserPool("tokens", args, opts)
    return {
        "token_issuer": pool.issuer,
        "token_client_ids": pool.client_ids,
        "token_scope_prefix": pulumi.Output.from_input(SCOPE_PREFIX),
        "token_url": pool.token_url,
    }


def _pool_name() -> str:
    return f"vodstack-{pulumi.get_stack()}"


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
    queues, videos = (settings.queues.arrivals, settings.queues.chunks), name_prefix(settings.bucket, stack)
    return Territory(
        stack=stack,
        region=region,
        account=account,
        bucket_prefixes=[videos, logs_name_prefix(videos)],
        queues=[
            *(f"{name}{suffix}" for name in queues for suffix in ("", "-dlq")),
            interruption_queue_name(cluster_name),
        ],
        tables=[settings.tables.videos, settings.tables.work],
        repositories=[settings.registries.api, settings.registries.worker],
        cluster=cluster_name,
        client_stack=client_stack_name(_pool_name()),
        role_path=role_path(stack),
        delivery_path=delivery_path(stack),
        boundary_arns=boundary_arns(stack, account),
        state=_state(settings, region, account),
    )


def _state(settings: FoundationSettings, region: str, account: pulumi.Output[str]) -> StateFolder:
    stack = pulumi.get_stack()
    bucket = account.apply(lambda number: f"arn:aws:s3:::{bucket_name(number, region)}")
    return StateFolder(
        project=pulumi.get_project(),
        stack=stack,
        prefix=(settings.github and settings.github.state_prefix) or stack,
        bucket=bucket,
        region=region,
        keys=pulumi.Output.concat(f"arn:aws:kms:{region}:", account, ":key/*"),
    )


def _delivery(settings: FoundationSettings, territory: Territory, opts: pulumi.ResourceOptions) -> DeliveryRoles:
    if settings.github is None:
        return DeliveryRoles(pulumi.Output.from_input(""), pulumi.Output.from_input(""))
    args = GithubDeliveryArgs(settings=settings.github, territory=territory)
    made = GithubDelivery("github", args, opts)
    return DeliveryRoles(made.deploy_role_arn, made.preview_role_arn)


def _joined(ids: list[pulumi.Output[str]] | tuple[str, ...]) -> pulumi.Output[str]:
    return pulumi.Output.all(*ids).apply(lambda known: ",".join(map(str, known)))


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
