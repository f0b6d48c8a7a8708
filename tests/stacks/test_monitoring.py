"""The layer of metrics, and that its dashboards and rules ask only for what the services export."""

import json

import pytest
from prometheus_client import generate_latest
from tests import queries

from vodstack_app.metrics import Metrics as ApiMetrics
from vodstack_worker.metrics import Metrics as WorkerMetrics

# Labels that Prometheus adds to every target, and those of the services' own figures.
TARGET_LABELS = {"job", "namespace", "pod", "le"}
OWN_LABELS = {"path", "method", "status", "outcome", "stage"}


def _exported() -> set[str]:
    expositions = [generate_latest(metrics.registry).decode() for metrics in (ApiMetrics(), WorkerMetrics())]
    return queries.recorded_names().union(*map(queries.sample_names, expositions))


@pytest.mark.parametrize(("place", "query"), [pytest.param(*each, id=each[0]) for each in queries.queries()])
def test_a_query_asks_for_metrics_and_labels_that_exist(place, query):
    selectors = queries.selectors(query)
    assert selectors
    exported = _exported()
    for selector in selectors:
        assert selector.name in exported, place
        assert {matcher.name for matcher in selector.matchers.matchers} <= TARGET_LABELS | OWN_LABELS


def test_a_query_for_a_metric_that_nobody_exports_is_noticed():
    (selector,) = queries.selectors("histogram_quantile(0.9, sum by (le) (rate(worker_processing_time_bucket[5m])))")
    assert selector.name == "worker_processing_time_bucket"
    assert selector.name not in _exported()


def test_every_alert_says_what_to_do():
    alerts = [rule for rule in queries.rules() if "alert" in rule]
    assert alerts
    for alert in alerts:
        assert {"summary", "description"} <= alert["annotations"].keys()
        assert alert["labels"]["severity"] in {"warning", "critical"}


def test_dashboards_come_with_the_label_that_grafana_looks_for(dev):
    maps = {r.name: r.inputs for r in dev.of_type("kubernetes:core/v1:ConfigMap") if r.name.startswith("dashboard-")}
    assert maps.keys() == {"dashboard-api", "dashboard-worker"}
    for name, config_map in maps.items():
        assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
        (model,) = config_map["data"].values()
        assert json.loads(model)["uid"] == name.replace("dashboard-", "vodstack-")


def test_the_chart_is_pinned_and_installed_with_its_hooks(dev):
    release = dev.one("kubernetes:helm.sh/v3:Release", "monitoring").inputs
    assert release["version"] == "88.5.3"
    assert release["chart"].startswith("oci://")
    assert release["timeout"] >= 600
    assert release["name"] == "monitoring"


def test_everything_that_remembers_has_a_volume(dev):
    values = dev.one("kubernetes:helm.sh/v3:Release", "monitoring").inputs["values"]
    prometheus = values["prometheus"]["prometheusSpec"]
    claim = prometheus["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["storageClassName"] == "gp3"
    assert claim["resources"]["requests"]["storage"] == "20Gi"
    assert (prometheus["retention"], prometheus["retentionSize"]) == ("15d", "18432MiB")
    assert values["alertmanager"]["alertmanagerSpec"]["storage"]["volumeClaimTemplate"]["spec"]
    assert values["grafana"]["persistence"]["enabled"]


def test_prometheus_sees_our_monitors_and_not_what_eks_hides(dev):
    values = dev.one("kubernetes:helm.sh/v3:Release", "monitoring").inputs["values"]
    prometheus = values["prometheus"]["prometheusSpec"]
    for kind in ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig"):
        assert prometheus[f"{kind}SelectorNilUsesHelmValues"] is False
    for part in ("kubeEtcd", "kubeScheduler", "kubeControllerManager", "kubeProxy"):
        assert values[part] == {"enabled": False}


def test_monitors_look_for_the_labels_and_ports_of_the_services(dev):
    release = dev.one("kubernetes:helm.sh/v3:Release", "monitoring").urn
    api = dev.one("kubernetes:monitoring.coreos.com/v1:ServiceMonitor")
    worker = dev.one("kubernetes:monitoring.coreos.com/v1:PodMonitor")
    service = dev.one("kubernetes:core/v1:Service", "api").inputs
    pod = dev.one("kubernetes:apps/v1:Deployment", "worker").inputs["spec"]["template"]
    assert api.inputs["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    assert api.inputs["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert worker.inputs["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert worker.inputs["spec"]["podMetricsEndpoints"][0]["port"] == pod["spec"]["containers"][0]["ports"][0]["name"]
    for monitor in (api, worker):
        assert monitor.inputs["spec"]["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
        assert release in monitor.dependencies


def test_grafanas_password_is_generated_and_stays_secret(dev):
    secret = dev.one("kubernetes:core/v1:Secret", "grafana-admin")
    assert len(secret.inputs["stringData"]["password"]) == 32
    assert "stringData" in secret.secret_inputs
    values = dev.one("kubernetes:helm.sh/v3:Release", "monitoring").inputs["values"]
    assert values["grafana"]["admin"]["existingSecret"] == "grafana-admin"
