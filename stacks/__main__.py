"""The Pulumi program: reads the stack's config and builds its layers in order."""

import pulumi

import cluster
import foundation
import monitoring
import services
from vodstack_contracts.outputs import FoundationOutputs, read
from vodstack_platform.config import LayerName, StackSettings, read_settings
from vodstack_platform.providers import aws_provider


def main() -> None:
    settings = read_settings()
    region = pulumi.Config("aws").require("region")
    tags = {"project": "vodstack", "stack": pulumi.get_stack(), "managed-by": "pulumi", **settings.tags}
    aws = aws_provider(region, tags, settings.aws.endpoint)
    if LayerName.FOUNDATION in settings.layers:
        data = foundation.build(settings.foundation, region, aws)
    elif LayerName.SERVICES in settings.layers:
        data = read(FoundationOutputs[pulumi.Output[str]], _reference(settings, LayerName.FOUNDATION))
    else:
        return
    if LayerName.SERVICES in settings.layers:
        target = cluster.target(settings)
        services.build(settings.services, data, target, aws)
    monitoring.build(settings.monitoring)


def _reference(settings: StackSettings, layer: LayerName) -> pulumi.StackReference:
    return pulumi.StackReference(settings.references[layer])


main()
