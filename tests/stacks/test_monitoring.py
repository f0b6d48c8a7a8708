"""The layer of metrics, and that its dashboards and rules ask only for what the services export."""

import json
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from vodstack_app.metrics import Metrics as ApiMetrics
from vodstack_worker.metrics import Metrics as WorkerMetrics

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
# Labels that Prometheus adds to every target, and those of the services' own figures.
TARGET_LABELS = {"job", "namespace", "pod", "le"}
OWN_LABELS = {"path", "method", "status", "outcome", "stage"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def _queries() -> Iterator[tuple[str, str]]:
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]
    for rule in _rules():
        yield f"rules: {rule.get('alert') or rule['record']}", rule["expr"]


def _rules() -> Iterator[dict]:
    for group in yaml.safe_load((DASHBOARDS / "rules.yaml").read_text())["groups"]:
        yield from group["rules"]


def _exported() -> set[str]:
    names = {rule["record"] for rule in _rules() if "record" in rule}
    for metrics in (ApiMetrics(), WorkerMetrics()):
        names |= set(_sample_names(metrics.registry))
    return names


def _sample_names(registry: CollectorRegistry) -> Iterator[str]:
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for suffix in SUFFIXES.get(family.type, ()):
            yield family.name + suffix


def _selectors(node) -> Iterator:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "param", "vs", "vector_selector"):
        if (child := getattr(node, name, None)) is not None:
            yield from _selectors(child)
    for argument in getattr(node, "args", None) or ():
        yield from _selectors(argument)


def _parsed(query: str):
    return promql_parser.parse(query.replace("$__rate_interval", "5m"))


@pytest.mark.parametrize(("place", "query"), [pytest.param(*each, id=each[0]) for each in _queries()])
def test_a_query_asks_for_metrics_and_labels_that_exist(place, query):
    selectors = list(_selectors(_parsed(query)))
    assert selectors
    exported = _exported()
    for selector in selectors:
        assert selector.name in exported, place
        assert {matcher.name for matcher in selector.matchers.matchers} <= TARGET_LABELS | OWN_LABELS


def test_a_query_for_a_metric_that_nobody_exports_is_noticed():
    (selector,) = _selectors(_parsed("histogram_quantile(0.9, sum by (le) (rate(worker_processing_time_bucket[5m])))"))
    assert selector.name == "worker_processing_time_bucket"
    assert selector.name not in _exported()


def test_every_alert_says_what_to_do():
    alerts = [rule for rule in _rules() if "alert" in rule]
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
