from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.networking import v1 as networking

from vodstack_platform.network_policies import watched_by, ways_out


@dataclass(frozen=True, kw_only=True)
class PodPolicyArgs:
    """Which pods, and who may watch them."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the pods, which others may share."""
    labels: Mapping[str, str]
    """Labels of the pods."""
    port: int
    """Port of their metrics."""
    watchers: Sequence[str]
    """Namespaces whose pods may read the metrics."""


class PodPolicy(pulumi.ComponentResource):
    """A network policy for pods in a namespace that is not theirs alone: nothing else in it is touched."""

    def __init__(self, name: str, args: PodPolicyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:PodPolicy", name, None, opts)
        networking.NetworkPolicy(
            name,
            metadata=meta.ObjectMetaArgs(name=name, namespace=args.namespace, labels=args.labels),
            spec=networking.NetworkPolicySpecArgs(
                pod_selector=meta.LabelSelectorArgs(match_labels=args.labels),
                policy_types=["Egress", "Ingress"],
                ingress=[watched_by(watcher, args.port) for watcher in args.watchers],
                egress=list(ways_out().values()),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
