import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from vodstack_contracts.environment import Variable
from vodstack_contracts.outputs import FoundationOutputs


@dataclass(frozen=True, kw_only=True)
class SettingsMapArgs:
    """The environment variables that services share."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the ConfigMap."""
    labels: dict[str, str]
    """Labels of the ConfigMap."""
    variables: Mapping[str, pulumi.Input[str]]
    """Values by the variables' names."""


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


def shared_variables(
    data: FoundationOutputs[pulumi.Output[str]], *, log_format: str, log_level: str
) -> Mapping[str, pulumi.Input[str]]:
    """What each of our services has to know of the data."""
    return {
        Variable.AWS_REGION: data.region,
        Variable.S3_BUCKET: data.bucket_name,
        Variable.DYNAMODB_TABLE: data.videos_table_name,
        Variable.WORK_TABLE: data.work_table_name,
        Variable.SQS_QUEUE_URL: data.arrivals_queue_url,
        Variable.LOG_FORMAT: log_format,
        Variable.LOG_LEVEL: log_level,
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
