import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes


@dataclass(frozen=True, kw_only=True)
class SettingsMapArgs:
    """The environment variables that services share."""

    namespace: pulumi.Input[str]
    labels: dict[str, str]
    variables: Mapping[str, pulumi.Input[str]]


class SettingsMap(pulumi.ComponentResource):
    """A ConfigMap, and the checksum by which pods notice that it changed."""

    map_name: pulumi.Output[str]
    checksum: pulumi.Output[str]

    def __init__(self, name: str, args: SettingsMapArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:SettingsMap", name, None, opts)
        config_map = kubernetes.core.v1.ConfigMap(
            name,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=name, namespace=args.namespace, labels=args.labels),
            data=args.variables,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.map_name = config_map.metadata.name
        self.checksum = pulumi.Output.json_dumps(args.variables, sort_keys=True).apply(_digest)
        self.register_outputs({"map_name": self.map_name, "checksum": self.checksum})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
