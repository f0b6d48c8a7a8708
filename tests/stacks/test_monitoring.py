"""The layer of metrics, and that its dashboards and rules ask only for what the services export."""

import functools
import json
import re
from collections import Counter

import pytest
from prometheus_client import generate_latest
from tests import queries
from tests.stacks.conftest import ALTERNATIVES

from vodstack_app.metrics import Metrics as ApiMetrics
from vodstack_worker.metrics import Metrics as WorkerMetrics

# Labels that Prometheus adds to every target, those of histograms, and those of the cluster's own figures.
TARGET_LABELS = {"job", "namespace", "pod", "deployment", "le"}
GRID_COLUMNS = 24


@functools.cache
def _registries():
    return [metrics.registry for metrics in (ApiMetrics(), WorkerMetrics())]


@functools.cache
def _exported() -> set[str]:
    expositions = [generate_latest(registry).decode() for registry in _registries()]
    return queries.known_names().union(*map(queries.sample_names, expositions))


@functools.cache
def _labels() -> dict[str, set[str]]:
    """The labels of its own that each metric has."""
    return {
        name: set(getattr(collector, "_labelnames", ()))
        for registry in _registries()
        for collector in registry._collector_to_names
        for family in collector.collect()
        for name in queries.names_of(family)
    }


@functools.cache
def _samples():
    return [sample for registry in _registries() for family in registry.collect() for sample in family.samples]


def _is_there(selector) -> bool:
    """Whether a selector finds a series, where the services make every series at their start."""
    own = [sample.labels for sample in _samples() if sample.name == selector.name]
    return not own or any(queries.selects(selector, labels) for labels in own)


@pytest.mark.parametrize(("place", "query"), [pytest.param(*each, id=each[0]) for each in queries.queries()])
def test_a_query_asks_for_metrics_labels_and_values_that_exist(place, query):
    selectors = queries.selectors(query)
    assert selectors
    exported, labels = _exported(), _labels()
    for selector in selectors:
        assert selector.name in exported, place
        known = TARGET_LABELS | labels.get(selector.name, set())
        assert {matcher.name for matcher in selector.matchers.matchers} | queries.groupings(query) <= known, place
        assert _is_there(selector), place


@pytest.mark.parametrize("query", ['a{way="chunk"}', 'a{way=~"chunk"}', 'a{way!="chunks"}', 'a{way!~"ch.*"}'])
def test_a_value_that_no_series_has_is_noticed(query):
    (selector,) = queries.selectors(query)
    assert not queries.selects(selector, {"way": "chunks"})
    assert queries.selects(selector, {"pod": "a"})


def test_every_metric_of_ours_is_on_a_dashboard_or_in_a_rule():
    asked = {selector.name for _, query in queries.queries() for selector in queries.selectors(query)}
    for registry in _registries():
        for family in registry.collect():
            if family.name.startswith(("vodstack_", "worker_", "myapp_")):
                assert asked & queries.names_of(family), family.name


@pytest.mark.parametrize("name", queries.dashboards())
def test_panels_fill_the_grid_and_none_lies_over_another(name):
    cells = Counter(
        (column, line)
        for place in (panel["gridPos"] for panel in queries.dashboards()[name])
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    )
    lines = 1 + max(line for _, line in cells)
    assert cells == Counter((column, line) for column in range(GRID_COLUMNS) for line in range(lines))


@pytest.mark.parametrize("name", queries.dashboards())
def test_every_panel_says_what_it_shows_and_in_which_unit(name):
    panels = queries.dashboards()[name]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            for target in panel["targets"]:
                named = set(re.findall("{{(.*?)}}", target["legendFormat"]))
                assert target["legendFormat"], panel["title"]
                assert named <= queries.groupings(target["expr"]), panel["title"]


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


def test_the_docs_name_every_alert():
    text = (queries.DASHBOARDS.parent / "docs/operations.md").read_text()
    for rule in queries.rules():
        if "alert" in rule:
            assert f"| `{rule['alert']}` | {rule['labels']['severity']} |" in text


def test_rules_look_into_the_namespace_of_the_services():
    elsewhere = ALTERNATIVES["monitoring of a cluster elsewhere"].known
    rules = elsewhere.one("kubernetes:monitoring.coreos.com/v1:PrometheusRule").inputs["spec"]
    looked_into = set(re.findall(r'namespace="([^"]*)"', json.dumps(rules).replace("\\", "")))
    assert looked_into == {"films"}


def test_rules_look_at_deployments_that_are_made(dev):
    made = {each.inputs["metadata"]["name"] for each in dev.of_type("kubernetes:apps/v1:Deployment")}
    rules = " ".join(rule["expr"] for rule in queries.rules())
    assert set(re.findall(r'deployment="([^"]*)"', rules)) == made


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


def test_monitors_look_for_the_labels_and_ports_of_the_pods(dev):
    release = dev.one("kubernetes:helm.sh/v3:Release", "monitoring").urn
    namespace = dev.one("kubernetes:core/v1:Service", "api").inputs["metadata"]["namespace"]
    for name in ("api", "worker"):
        monitor = dev.one("kubernetes:monitoring.coreos.com/v1:PodMonitor", name)
        pod = dev.one("kubernetes:apps/v1:Deployment", name).inputs["spec"]["template"]
        assert monitor.inputs["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
        scraped = monitor.inputs["spec"]["podMetricsEndpoints"][0]["port"]
        assert pod["metadata"]["labels"][monitor.inputs["spec"]["jobLabel"]] == name
        assert scraped == pod["spec"]["containers"][0]["ports"][-1]["name"] == "metrics"
        assert monitor.inputs["spec"]["namespaceSelector"] == {"matchNames": [namespace]}
        assert release in monitor.dependencies


def test_grafanas_password_is_generated_and_stays_secret(dev):
    secret = dev.one("kubernetes:core/v1:Secret", "grafana-admin")
    assert len(secret.inputs["stringData"]["password"]) == 32
    assert "stringData" in secret.secret_inputs
    values = dev.one("kubernetes:helm.sh/v3:Release", "monitoring").inputs["values"]
    assert values["grafana"]["admin"]["existingSecret"] == "grafana-admin"
