from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.helm import v3 as helm
from pulumi_kubernetes.meta import v1 as meta

from vodstack_platform.chart_values import GRAFANA_SERVICE, PROMETHEUS_SERVICE, chart_values
from vodstack_platform.config.monitoring import MonitoringSettings
from vodstack_platform.labels import labels

CHART = "oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack"
CHART_VERSION = "88.5.3"
_PASSWORD_CHARACTERS = 32


@dataclass(frozen=True, kw_only=True)
class PrometheusStackArgs:
    """Where it runs, and how much it keeps."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of all of it."""
    settings: MonitoringSettings
    """Days and GiB that are kept, and resources."""
    storage_class: pulumi.Input[str] | None
    """Storage class of the volumes. None: the cluster's default one."""


class PrometheusStack(pulumi.ComponentResource):
    """Prometheus, Alertmanager and Grafana, all on volumes of their own."""

    release: helm.Release
    prometheus_url: pulumi.Output[str]
    grafana_url: pulumi.Output[str]
    admin_secret: pulumi.Output[str]

    def __init__(self, name: str, args: PrometheusStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:PrometheusStack", name, None, opts)
        secret = self._admin(args.namespace)
        self.admin_secret = secret.metadata.name
        # The chart's webhooks are set up by hooks, which a Release runs and a Chart does not.
        self.release = helm.Release(
            name,
            name=name,
            namespace=args.namespace,
            chart=CHART,
            version=CHART_VERSION,
            values=chart_values(args.settings, args.storage_class, self.admin_secret),
            timeout=args.settings.timeout_seconds,
            atomic=True,
            cleanup_on_fail=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.prometheus_url = _address(PROMETHEUS_SERVICE, args.namespace, 9090)
        self.grafana_url = _address(GRAFANA_SERVICE, args.namespace, 80)
        self.register_outputs({"prometheus_url": self.prometheus_url, "grafana_url": self.grafana_url})

    def _admin(self, namespace: pulumi.Input[str]) -> core.Secret:
        opts = pulumi.ResourceOptions(parent=self)
        password = random.RandomPassword("grafana-admin", length=_PASSWORD_CHARACTERS, special=False, opts=opts)
        return kubernetes.core.v1.Secret(
            "grafana-admin",
            metadata=meta.ObjectMetaArgs(name="grafana-admin", namespace=namespace, labels=labels("grafana")),
            string_data={"user": "admin", "password": password.result},
            opts=opts,
        )


def _address(service: str, namespace: pulumi.Input[str], port: int) -> pulumi.Output[str]:
    return pulumi.Output.concat("http://", service, ".", namespace, f".svc.cluster.local:{port}")
