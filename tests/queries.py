"""What the dashboards and rules ask of Prometheus, read by a PromQL parser, and what an exposition answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
# What kube-prometheus-stack brings along (kube-state-metrics), with the labels that we ask for.
CLUSTER_METRICS = {"kube_deployment_spec_replicas", "kube_deployment_status_replicas_available"}
_LITERAL = (promql_parser.MatchOp.Equal, promql_parser.MatchOp.NotEqual)
_POSITIVE = (promql_parser.MatchOp.Equal, promql_parser.MatchOp.Re)
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def dashboards() -> dict[str, list[dict[str, Any]]]:
    """The panels of each dashboard, rows among them."""
    return {path.stem: json.loads(path.read_text())["panels"] for path in sorted(DASHBOARDS.glob("*.json"))}


def queries() -> Iterator[tuple[str, str]]:
    """Where a query stands, and the query."""
    for name, panels in dashboards().items():
        for panel in panels:
            for target in panel.get("targets", ()):
                yield f"{name}: {panel['title']}", target["expr"]
    for rule in rules():
        yield f"rules: {rule.get('alert') or rule['record']}", rule["expr"]


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((DASHBOARDS / "rules.yaml").read_text())["groups"]:
        yield from group["rules"]


def selectors(query: str) -> list[Any]:
    """Every selector of a query, with its metric's name and its label matchers."""
    return [node for node in _nodes(_parsed(query)) if isinstance(node, promql_parser.VectorSelector)]


def groupings(query: str) -> set[str]:
    """The labels by which a query sums up."""
    parsed = _parsed(query)
    return {label for node in _nodes(parsed) for label in getattr(getattr(node, "modifier", None), "labels", ())}


def selects(selector: Any, labels: dict[str, str]) -> bool:
    """Whether a series with those labels is what a selector asks for, as far as it has them."""
    return all(
        (matcher.value == value if matcher.op in _LITERAL else bool(re.fullmatch(matcher.value, value)))
        is (matcher.op in _POSITIVE)
        for matcher in selector.matchers.matchers
        if (value := labels.get(matcher.name)) is not None
    )


def sample_names(exposition: str) -> set[str]:
    """Names of the samples that a service's /metrics gives, histograms and counters with their suffixes."""
    return set().union(*map(names_of, text_string_to_metric_families(exposition)))


def names_of(family: Metric) -> set[str]:
    return {family.name + suffix for suffix in _SUFFIXES.get(family.type, ())}


def known_names() -> set[str]:
    """Names that no service of ours exports: those that the rules themselves record, and the cluster's."""
    return CLUSTER_METRICS | {rule["record"] for rule in rules() if "record" in rule}


def _parsed(query: str) -> Any:
    return promql_parser.parse(query.replace("$__rate_interval", "5m"))


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vs", "vector_selector"):
        if (child := getattr(node, name, None)) is not None:
            yield from _nodes(child)
    for argument in getattr(node, "args", None) or ():
        yield from _nodes(argument)
