from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.core.v1.outputs import ServiceStatus
from pulumi_kubernetes.meta import v1 as meta

from vodstack_platform.config.exposure import ExposureSettings

_HTTP_PORT, _HTTPS_PORT = 80, 443
_ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer"
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


@dataclass(frozen=True, kw_only=True)
class ApiAddressArgs:
    """Which pods answer, and to whom."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the Service and the pods."""
    labels: dict[str, str]
    """Labels of the pods."""
    port_name: str
    """Name of their port that answers."""
    exposure: ExposureSettings
    """Who reaches it: the cluster alone, or address ranges by a load balancer."""


class ApiAddress(pulumi.ComponentResource):
    """The Service by which the API is reached."""

    url: pulumi.Output[str]
    service_name: pulumi.Output[str]
    port_name: str

    def __init__(self, name: str, args: ApiAddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:ApiAddress", name, None, opts)
        exposure = args.exposure
        balanced = exposure.mode == "load-balancer"
        port = _HTTPS_PORT if balanced and exposure.certificate_arn else _HTTP_PORT
        service = core.Service(
            name,
            metadata=meta.ObjectMetaArgs(
                name=name,
                namespace=args.namespace,
                labels=args.labels,
                annotations=_annotations(exposure, args.port_name) if balanced else None,
            ),
            spec=core.ServiceSpecArgs(
                type="LoadBalancer" if balanced else "ClusterIP",
                selector=args.labels,
                ports=[core.ServicePortArgs(name=args.port_name, port=port, target_port=args.port_name)],
                load_balancer_source_ranges=list(exposure.source_ranges) if balanced else None,
                # Keeps the client's address, and sends nothing to nodes without a pod of the API.
                external_traffic_policy="Local" if balanced else None,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.service_name, self.port_name = service.metadata.name, args.port_name
        inside = pulumi.Output.concat(service.metadata.name, ".", service.metadata.namespace, ".svc.cluster.local")
        scheme = "https" if port == _HTTPS_PORT else "http"
        host = pulumi.Output.all(inside, service.status.apply(_balancer)).apply(lambda both: str(both[1] or both[0]))
        named = exposure.public_url if balanced else None
        self.url = pulumi.Output.from_input(named) if named else pulumi.Output.concat(scheme, "://", host)
        self.register_outputs({"url": self.url})


def _annotations(exposure: ExposureSettings, port_name: str) -> dict[str, str]:
    """What the load balancer controller that is part of EKS reads."""
    plain = {f"{_ANNOTATION}-type": "nlb"}
    if exposure.certificate_arn is None:
        return plain
    return plain | {
        f"{_ANNOTATION}-ssl-cert": exposure.certificate_arn,
        f"{_ANNOTATION}-ssl-ports": port_name,
        f"{_ANNOTATION}-ssl-negotiation-policy": _TLS_POLICY,
        f"{_ANNOTATION}-backend-protocol": "tcp",
    }


def _balancer(status: ServiceStatus | None) -> str:
    ingress = (status.load_balancer.ingress if status and status.load_balancer else None) or []
    return (ingress[0].hostname if ingress else None) or ""
