import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.networking import v1 as networking
from pulumi_kubernetes.networking.v1.outputs import IngressStatus

from vodstack_platform.access_log_bucket import LOGS_PREFIX
from vodstack_platform.config.exposure import ExposureSettings
from vodstack_platform.labels import labels

# What asks for a token, and what everybody may read. Metrics and probes are for the cluster alone.
_GUARDED = (("/videos", "Prefix"), ("/uploads", "Prefix"))
_OPEN = (("/docs", "Prefix"), ("/openapi.json", "Exact"))
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
_PREFIX = "alb.ingress.kubernetes.io"
# Below the API's own 75 seconds: a connection that the API lets go first would answer a request with 502.
_IDLE_SECONDS = 70
_DELETE_TIMEOUT = "30m"
_GROUP_API = "elbv2.k8s.aws"

Attributes = Mapping[str, pulumi.Input[str]]
Routed = tuple[Sequence[tuple[str, str]], Attributes]


@dataclass(frozen=True, kw_only=True)
class TokenCheck:
    """The issuer whose tokens the load balancer lets through, and where its keys are."""

    issuer: pulumi.Input[str]
    jwks_url: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class ApiIngressArgs:
    """`controller`, if we install it, brings the kinds; `tags` are those of the load balancer, which it makes."""

    namespace: str
    """Kubernetes namespace of the Ingresses and the Service."""
    service_name: pulumi.Input[str]
    """Name of the Service that they lead to."""
    port_name: str
    """Name of the Service's port."""
    exposure: ExposureSettings
    """Host name, certificate, and the address ranges that are let in."""
    grace_period_seconds: int
    """Seconds that a stopping pod finishes its requests in."""
    tokens: TokenCheck | None
    """Whose tokens the load balancer checks. None: it checks none."""
    serves_pages: bool
    """Web pages of other origins use the API: what their browsers ask first carries no token."""
    logs_bucket: pulumi.Input[str] | None
    """Bucket of the access logs. None: no logs."""
    tags: dict[str, str]
    """AWS tags of the load balancer, which default tags do not reach."""
    controller: pulumi.Resource | None
    """What brings the kinds, if we install it."""


class ApiIngress(pulumi.ComponentResource):
    """An HTTPS load balancer in front of the API, which only our namespace can add to."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: ApiIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:ApiIngress", name, None, opts)
        self._args = args
        class_name, ingress_class = self._class(f"{args.namespace}-{name}")
        rules: dict[str, Routed] = {name: (_GUARDED, _checked(args.tokens)), f"{name}-open": (_OPEN, {})}
        if args.tokens and args.serves_pages:
            # The first rule that fits decides; its condition goes by the Service's name, which is the API's.
            rules = {f"{name}-preflights": (_GUARDED, _preflights(name)), **rules}
        made = {
            label: self._ingress(label, class_name, paths, {**_annotations(args, order), **more}, ingress_class)
            for order, (label, (paths, more)) in enumerate(rules.items(), start=1)
        }
        guarded = made[name]
        host = args.exposure.host
        known = pulumi.Output.from_input(host) if host else guarded.status.apply(_balancer)
        self.url = pulumi.Output.concat("https://", known)
        self.register_outputs({"url": self.url})

    def _class(self, name: str) -> tuple[pulumi.Output[str], pulumi.Resource]:
        # The controller has to outlive its objects: it alone takes their finalizers off.
        after = [self._args.controller] if self._args.controller else []
        params = kubernetes.apiextensions.CustomResource(
            f"{name}-params",
            api_version=f"{_GROUP_API}/v1beta1",
            kind="IngressClassParams",
            metadata=meta.ObjectMetaArgs(name=name, labels=labels(name)),
            spec=_params(name, self._args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        made = networking.IngressClass(
            name,
            metadata=meta.ObjectMetaArgs(name=name, labels=labels(name)),
            spec=networking.IngressClassSpecArgs(
                controller="ingress.k8s.aws/alb",
                parameters=networking.IngressClassParametersReferenceArgs(
                    api_group=_GROUP_API, kind="IngressClassParams", name=name
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[params]),
        )
        return made.metadata.name, made

    def _ingress(
        self,
        name: str,
        class_name: pulumi.Input[str],
        paths: Sequence[tuple[str, str]],
        annotations: Attributes,
        ingress_class: pulumi.Resource,
    ) -> networking.Ingress:
        port = networking.ServiceBackendPortArgs(name=self._args.port_name)
        service = networking.IngressServiceBackendArgs(name=self._args.service_name, port=port)
        backend = networking.IngressBackendArgs(service=service)
        http = networking.HTTPIngressRuleValueArgs(
            paths=[networking.HTTPIngressPathArgs(path=path, path_type=kind, backend=backend) for path, kind in paths]
        )
        rule = networking.IngressRuleArgs(host=self._args.exposure.host, http=http)
        return networking.Ingress(
            name,
            metadata=meta.ObjectMetaArgs(
                name=name, namespace=self._args.namespace, labels=labels(name), annotations=annotations
            ),
            spec=networking.IngressSpecArgs(ingress_class_name=class_name, rules=[rule]),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[ingress_class],
                custom_timeouts=pulumi.CustomTimeouts(delete=_DELETE_TIMEOUT),
            ),
        )


def _params(name: str, args: ApiIngressArgs) -> dict[str, Any]:
    attributes: dict[str, pulumi.Input[str]] = {
        "idle_timeout.timeout_seconds": str(_IDLE_SECONDS),
        "routing.http.drop_invalid_header_fields.enabled": "true",
    }
    if args.logs_bucket is not None:
        attributes |= {
            "access_logs.s3.enabled": "true",
            "access_logs.s3.bucket": args.logs_bucket,
            "access_logs.s3.prefix": LOGS_PREFIX,
        }
    return {
        "group": {"name": name},
        "scheme": args.exposure.scheme,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": args.namespace}},
        "loadBalancerAttributes": _listed(attributes),
        "tags": _listed(args.tags),
    }


def _listed(pairs: Attributes | Mapping[str, str]) -> list[dict[str, pulumi.Input[str]]]:
    return [{"key": key, "value": value} for key, value in sorted(pairs.items())]


def _annotations(args: ApiIngressArgs, order: int) -> dict[str, pulumi.Input[str]]:
    target = {
        "deregistration_delay.timeout_seconds": str(args.grace_period_seconds),
        # An upload keeps its pod busy for minutes, so turns would not be fair.
        "load_balancing.algorithm.type": "least_outstanding_requests",
    }
    return {
        f"{_PREFIX}/group.order": str(order),
        f"{_PREFIX}/target-type": "ip",
        f"{_PREFIX}/listen-ports": json.dumps([{"HTTPS": 443}]),
        f"{_PREFIX}/certificate-arn": args.exposure.certificate_arn or "",
        f"{_PREFIX}/ssl-policy": _TLS_POLICY,
        f"{_PREFIX}/inbound-cidrs": ",".join(args.exposure.source_ranges),
        f"{_PREFIX}/healthcheck-path": "/readyz",
        f"{_PREFIX}/healthcheck-interval-seconds": "10",
        f"{_PREFIX}/healthcheck-timeout-seconds": "3",
        f"{_PREFIX}/target-group-attributes": ",".join(f"{key}={value}" for key, value in target.items()),
    }


def _preflights(service: str) -> dict[str, pulumi.Input[str]]:
    condition = {"field": "http-request-method", "httpRequestMethodConfig": {"values": ["OPTIONS"]}}
    return {f"{_PREFIX}/conditions.{service}": json.dumps([condition])}


def _checked(tokens: TokenCheck | None) -> dict[str, pulumi.Input[str]]:
    if tokens is None:
        return {}
    check = {"issuer": tokens.issuer, "jwksEndpoint": tokens.jwks_url}
    return {f"{_PREFIX}/jwt-validation": pulumi.Output.json_dumps(check, sort_keys=True, separators=(",", ":"))}


def _balancer(status: IngressStatus | None) -> str:
    ingress = (status.load_balancer.ingress if status and status.load_balancer else None) or []
    return (ingress[0].hostname if ingress else None) or ""
