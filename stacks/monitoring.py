from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random
import yaml

from cluster import ClusterTarget
from vodstack_contracts.outputs import MonitoringOutputs
from vodstack_platform.config import LayerName, StackSettings
from vodstack_platform.dashboard_maps import DashboardMaps, DashboardMapsArgs
from vodstack_platform.layer import Layer
from vodstack_platform.prometheus_stack import PrometheusStack, PrometheusStackArgs
from vodstack_platform.service_monitors import ServiceMonitors, ServiceMonitorsArgs
from vodstack_platform.service_namespace import ServiceNamespace, ServiceNamespaceArgs
from vodstack_platform.workload import API_PORT_NAME, METRICS_PORT_NAME

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
# As the rules name it, which are data for any Prometheus.
NAMESPACE_OF_RULES = 'namespace="vodstack"'


def build(settings: StackSettings, cluster: ClusterTarget, provider: aws.Provider) -> None:
    layer = Layer(LayerName.MONITORING, [provider, cluster.provider, random.Provider("random")])
    opts = pulumi.ResourceOptions(parent=layer)
    # Node exporter looks at its host, which no stricter standard admits.
    place = ServiceNamespaceArgs(namespace=settings.monitoring.namespace, standard="privileged")
    namespace = ServiceNamespace("monitoring", place, opts).namespace
    stack = PrometheusStack(
        "monitoring",
        PrometheusStackArgs(namespace=namespace, settings=settings.monitoring, storage_class=cluster.storage_class),
        opts,
    )
    watched = settings.services.namespace
    monitors = ServiceMonitorsArgs(
        namespace=namespace,
        operator=stack.release,
        watched=watched,
        api_port_name=METRICS_PORT_NAME if settings.services.api.metrics_port else API_PORT_NAME,
        rules=_rules(watched),
    )
    ServiceMonitors("services", monitors, opts)
    DashboardMaps("dashboards", DashboardMapsArgs(namespace=namespace, dashboards=_dashboards()), opts)
    layer.publish(
        MonitoringOutputs(
            monitoring_namespace=namespace,
            prometheus_url=stack.prometheus_url,
            grafana_url=stack.grafana_url,
            grafana_secret=stack.admin_secret,
        )
    )


def _dashboards() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in DASHBOARDS.glob("*.json")}


def _rules(watched: str) -> dict[str, Any]:
    text = (DASHBOARDS / "rules.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text.replace(NAMESPACE_OF_RULES, f'namespace="{watched}"'))
