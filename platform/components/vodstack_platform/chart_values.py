"""Values of the kube-prometheus-stack chart."""

from collections.abc import Mapping
from typing import Any

import pulumi

from vodstack_platform.config.monitoring import MonitoringSettings

Values = dict[str, Any]

# Of the volume, what samples may take: the rest is the write-ahead log and room for compaction.
_SAMPLES_SHARE = 0.9
_MIB_PER_GIB = 1024
PROMETHEUS_SERVICE = "monitoring-prometheus"
GRAFANA_SERVICE = "grafana"
# EKS runs these out of sight: their targets would be down for ever.
_MANAGED_BY_EKS = ("kubeControllerManager", "kubeEtcd", "kubeProxy", "kubeScheduler")
_OURS_AS_WELL = ("podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor")


def chart_values(
    settings: MonitoringSettings, storage_class: pulumi.Input[str] | None, admin_secret: pulumi.Input[str]
) -> Values:
    return {
        "fullnameOverride": "monitoring",
        **{part: {"enabled": False} for part in _MANAGED_BY_EKS},
        "prometheus": {"prometheusSpec": _prometheus(settings, storage_class)},
        "alertmanager": {
            "alertmanagerSpec": {
                "storage": {"volumeClaimTemplate": _claim(settings.alertmanager_volume_gib, storage_class)},
                "resources": _resources("25m", "64Mi"),
            }
        },
        "grafana": _grafana(settings, storage_class, admin_secret),
        "prometheusOperator": {
            "resources": _resources("50m", "128Mi"),
            "prometheusConfigReloader": {"resources": _resources("10m", "48Mi")},
        },
        "kube-state-metrics": {"resources": _resources("20m", "96Mi")},
        "prometheus-node-exporter": {"resources": _resources("20m", "48Mi")},
    }


def _prometheus(settings: MonitoringSettings, storage_class: pulumi.Input[str] | None) -> Values:
    prometheus = settings.prometheus
    samples_mib = int(prometheus.volume_gib * _MIB_PER_GIB * _SAMPLES_SHARE)
    return {
        # Without these the chart's Prometheus overlooks every monitor and rule that is not the chart's own.
        **{f"{kind}SelectorNilUsesHelmValues": False for kind in _OURS_AS_WELL},
        "retention": f"{prometheus.retention_days}d",
        "retentionSize": f"{samples_mib}MiB",
        "storageSpec": {"volumeClaimTemplate": _claim(prometheus.volume_gib, storage_class)},
        "resources": _resources(prometheus.cpu, prometheus.memory),
    }


def _grafana(
    settings: MonitoringSettings, storage_class: pulumi.Input[str] | None, admin_secret: pulumi.Input[str]
) -> Values:
    return {
        "fullnameOverride": GRAFANA_SERVICE,
        "admin": {"existingSecret": admin_secret, "userKey": "user", "passwordKey": "password"},
        "persistence": {
            "enabled": True,
            "type": "sts",
            "size": f"{settings.grafana_volume_gib}Gi",
            **_class("storageClassName", storage_class),
        },
        "resources": _resources("50m", "192Mi"),
        "sidecar": {
            "dashboards": {"enabled": True, "label": "grafana_dashboard", "labelValue": "1", "searchNamespace": "ALL"},
            "resources": _resources("10m", "96Mi"),
        },
    }


def _claim(size_gib: int, storage_class: pulumi.Input[str] | None) -> Values:
    return {
        "spec": {
            **_class("storageClassName", storage_class),
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{size_gib}Gi"}},
        }
    }


def _class(key: str, storage_class: pulumi.Input[str] | None) -> Mapping[str, pulumi.Input[str]]:
    return {} if storage_class is None else {key: storage_class}


def _resources(cpu: str, memory: str) -> Values:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
