"""The Pulumi program: reads the stack's config and builds its layers in order."""

import pulumi
import pulumi_aws as aws

import cluster
import foundation
import monitoring
import services
from vodstack_contracts.outputs import FoundationOutputs, read
from vodstack_platform.config import LayerName, StackSettings, read_settings
from vodstack_platform.providers import aws_provider
from vodstack_platform.role_boundaries import RoleBoundaries, RoleBoundariesArgs


def main() -> None:
    settings = read_settings()
    aws_config = pulumi.Config("aws")
    region, profile = aws_config.require("region"), aws_config.get("profile")
    tags = {"project": "vodstack", "stack": pulumi.get_stack(), "managed-by": "pulumi", **settings.tags}
    provider = aws_provider(region, profile, tags, settings.aws.endpoint)
    layers = set(settings.layers)
    data = _foundation(settings, region, provider) if layers - {LayerName.MONITORING} else None
    around = cluster.Surroundings(
        provider=provider,
        profile=profile,
        tags=tags,
        is_delivered=settings.foundation.github is not None,
        boundaries=_boundaries(settings, data, provider) if data and _has_roles(settings) else None,
    )
    target = _cluster(settings, data, around) if layers - {LayerName.FOUNDATION} else None
    if target and LayerName.MONITORING in layers:
        monitoring.build(settings, target, provider)
    if data and target and LayerName.SERVICES in layers:
        services.build(settings, data, target, around)


def _foundation(settings: StackSettings, region: str, provider: aws.Provider) -> FoundationOutputs[pulumi.Output[str]]:
    if LayerName.FOUNDATION in settings.layers:
        return foundation.build(settings.foundation, region, cluster.cluster_name(settings.cluster), provider)
    return read(FoundationOutputs[pulumi.Output[str]], _reference(settings, LayerName.FOUNDATION))


def _has_roles(settings: StackSettings) -> bool:
    """Whether the stack makes roles, or its workflow may come to."""
    return bool({LayerName.CLUSTER, LayerName.SERVICES}.intersection(settings.layers) or settings.foundation.github)


def _boundaries(
    settings: StackSettings, data: FoundationOutputs[pulumi.Output[str]], provider: aws.Provider
) -> RoleBoundaries:
    """Of the stack, not of a layer: roles of all layers carry them, and workflows name them before there are any."""
    opts = pulumi.ResourceOptions(providers=[provider])
    account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(provider=provider)).account_id
    name = cluster.cluster_name(settings.cluster)
    return RoleBoundaries("roles", RoleBoundariesArgs(data=data, cluster=name, account_id=account), opts)


def _cluster(
    settings: StackSettings, data: FoundationOutputs[pulumi.Output[str]] | None, around: cluster.Surroundings
) -> cluster.ClusterTarget:
    if settings.cluster.existing:
        return cluster.use(settings.cluster.existing)
    if data and LayerName.CLUSTER in settings.layers:
        return cluster.build(settings.cluster, data, around)
    return cluster.refer(_reference(settings, LayerName.CLUSTER))


def _reference(settings: StackSettings, layer: LayerName) -> pulumi.StackReference:
    return pulumi.StackReference(settings.references[layer])


main()
