from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from vodstack_platform.labels import labels


@dataclass(frozen=True, kw_only=True)
class DashboardMapsArgs:
    """What Grafana shows."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the ConfigMaps."""
    dashboards: Mapping[str, str]
    """Grafana's JSON models by name."""


class DashboardMaps(pulumi.ComponentResource):
    """Dashboards as ConfigMaps with the label by which Grafana's sidecar finds them."""

    def __init__(self, name: str, args: DashboardMapsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:DashboardMaps", name, None, opts)
        for dashboard, model in sorted(args.dashboards.items()):
            map_name = f"dashboard-{dashboard}"
            kubernetes.core.v1.ConfigMap(
                map_name,
                metadata=kubernetes.meta.v1.ObjectMetaArgs(
                    name=map_name, namespace=args.namespace, labels={**labels(map_name), "grafana_dashboard": "1"}
                ),
                data={f"{dashboard}.json": model},
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
