from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from vodstack_platform.labels import PART_OF, labels
from vodstack_platform.workload import METRICS_PORT_NAME

_API_VERSION = "monitoring.coreos.com/v1"
_INTERVAL = "30s"


@dataclass(frozen=True, kw_only=True)
class ServiceMonitorsArgs:
    """What is watched, and what is told of it."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the monitors."""
    operator: pulumi.Resource
    """What brings the kinds."""
    watched: str
    """Namespace that they look into."""
    api_port_name: str
    """Name of the API's port for metrics."""
    rules: dict[str, Any]
    """Prometheus's rules."""


class ServiceMonitors(pulumi.ComponentResource):
    """What Prometheus scrapes of ours, and what it computes and alerts on."""

    def __init__(self, name: str, args: ServiceMonitorsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:ServiceMonitors", name, None, opts)
        self._namespace = args.namespace
        self._opts = pulumi.ResourceOptions(parent=self, depends_on=[args.operator])
        watched = {"namespaceSelector": {"matchNames": [args.watched]}}
        for service, port_name in (("api", args.api_port_name), ("worker", METRICS_PORT_NAME)):
            pods = {
                "selector": {"matchLabels": labels(service)},
                "podMetricsEndpoints": [_endpoint(port_name)],
                # The dashboards ask for `job="api"`, as a Service's monitor would name it.
                "jobLabel": "app.kubernetes.io/name",
                **watched,
            }
            self._object("PodMonitor", service, pods)
        self._object("PrometheusRule", PART_OF, args.rules)
        self.register_outputs({})

    def _object(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        kubernetes.apiextensions.CustomResource(
            name,
            api_version=_API_VERSION,
            kind=kind,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=name, namespace=self._namespace, labels=labels(name)),
            spec=spec,
            opts=self._opts,
        )


def _endpoint(port_name: str) -> dict[str, str]:
    return {"port": port_name, "path": "/metrics", "interval": _INTERVAL}
