from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.networking import v1 as networking

from vodstack_platform.labels import labels

IDENTITY_AGENT = "169.254.170.23/32"  # EKS Pod Identity, on every node
_LINK_LOCAL = "169.254.0.0/16"  # where the instance's metadata, and with it the node's credentials, would be
_EVERYWHERE = "0.0.0.0/0"
_NAMESPACE_NAME = "kubernetes.io/metadata.name"

Peers = list[networking.NetworkPolicyPeerArgs]
Callers = Sequence[str] | pulumi.Output[list[str]]


@dataclass(frozen=True, kw_only=True)
class NetworkPoliciesArgs:
    """Who may call, and who may watch."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace that is closed, all of it."""
    watcher_namespace: str
    """Namespace whose pods read the metrics."""
    api_port: int
    """Port of the API."""
    api_metrics_port: int
    """Port of the API's metrics, which watchers alone reach."""
    metrics_port: int
    """Port of the worker's metrics."""
    collector_port: int | None = None
    """Port of a pod of the cluster, in whatever namespace, that takes traces."""
    callers: Callers
    """Address ranges that may call the API; none: every pod of the cluster, and nobody else.

    Where they are an output there has to be one at least, for Kubernetes takes none for all.
    """


class NetworkPolicies(pulumi.ComponentResource):
    """Nothing comes in or goes out but what is named here."""

    def __init__(self, name: str, args: NetworkPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:NetworkPolicies", name, None, opts)
        self._namespace = args.namespace
        self._policy("deny-all", meta.LabelSelectorArgs())
        for way, rule in ways_out().items():
            self._policy(way, meta.LabelSelectorArgs(), to=[rule])
        if args.collector_port:
            self._policy("traces", meta.LabelSelectorArgs(), to=[_egress(_any_pod(), (args.collector_port, "TCP"))])
        for service, port in (("api", args.api_metrics_port), ("worker", args.metrics_port)):
            self._policy(f"{service}-watched", _pods(service), of=[watched_by(args.watcher_namespace, port)])
        self._policy("api-called", _pods("api"), of=[_ingress(_callers(args.callers), args.api_port)])
        self.register_outputs({})

    def _policy(
        self,
        name: str,
        pods: meta.LabelSelectorArgs,
        *,
        of: list[networking.NetworkPolicyIngressRuleArgs] | None = None,
        to: list[networking.NetworkPolicyEgressRuleArgs] | None = None,
    ) -> None:
        types = ["Ingress"] if of else ["Egress"] if to else ["Egress", "Ingress"]
        networking.NetworkPolicy(
            name,
            metadata=meta.ObjectMetaArgs(name=name, namespace=self._namespace, labels=labels(name)),
            spec=networking.NetworkPolicySpecArgs(pod_selector=pods, policy_types=types, ingress=of, egress=to),
            opts=pulumi.ResourceOptions(parent=self),
        )


def ways_out() -> dict[str, networking.NetworkPolicyEgressRuleArgs]:
    """What a service's pods may reach, by name. S3, DynamoDB, SQS and an issuer have no addresses that stay."""
    outside = networking.IPBlockArgs(cidr=_EVERYWHERE, except_=[_LINK_LOCAL])
    agent = networking.IPBlockArgs(cidr=IDENTITY_AGENT)
    return {
        "names": _egress(_named("kube-system", "kube-dns"), (53, "UDP"), (53, "TCP")),
        "aws": _egress([_peer(outside)], (443, "TCP")),
        "identity": _egress([_peer(agent)], (80, "TCP")),
    }


def watched_by(namespace: str, port: int) -> networking.NetworkPolicyIngressRuleArgs:
    return _ingress(_named(namespace), port)


def _callers(ranges: Callers) -> Peers | pulumi.Output[Peers]:
    if isinstance(ranges, pulumi.Output):
        return ranges.apply(_blocks)
    if not ranges:
        return _any_pod()
    return _blocks(ranges)


def _blocks(ranges: Sequence[str]) -> Peers:
    return [_peer(networking.IPBlockArgs(cidr=each)) for each in ranges]


def _any_pod() -> Peers:
    return [networking.NetworkPolicyPeerArgs(namespace_selector=meta.LabelSelectorArgs())]


def _peer(block: networking.IPBlockArgs) -> networking.NetworkPolicyPeerArgs:
    return networking.NetworkPolicyPeerArgs(ip_block=block)


def _named(namespace: str, app: str | None = None) -> Peers:
    return [
        networking.NetworkPolicyPeerArgs(
            namespace_selector=meta.LabelSelectorArgs(match_labels={_NAMESPACE_NAME: namespace}),
            pod_selector=meta.LabelSelectorArgs(match_labels={"k8s-app": app}) if app else None,
        )
    ]


def _pods(service: str) -> meta.LabelSelectorArgs:
    return meta.LabelSelectorArgs(match_labels=labels(service))


def _ingress(peers: Peers | pulumi.Output[Peers], port: int) -> networking.NetworkPolicyIngressRuleArgs:
    return networking.NetworkPolicyIngressRuleArgs(from_=peers, ports=[_port(port, "TCP")])


def _egress(peers: Peers, *ports: tuple[int, str]) -> networking.NetworkPolicyEgressRuleArgs:
    return networking.NetworkPolicyEgressRuleArgs(to=peers, ports=[_port(*each) for each in ports])


def _port(port: int, protocol: str) -> networking.NetworkPolicyPortArgs:
    return networking.NetworkPolicyPortArgs(port=port, protocol=protocol)
