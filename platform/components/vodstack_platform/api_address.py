from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

_HTTP_PORT = 80


@dataclass(frozen=True, kw_only=True)
class ApiAddressArgs:
    """Which pods answer, by their labels, and on which of their named ports."""

    namespace: pulumi.Input[str]
    labels: dict[str, str]
    port_name: str


class ApiAddress(pulumi.ComponentResource):
    """The Service by which the API is reached."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: ApiAddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:ApiAddress", name, None, opts)
        service = core.Service(
            name,
            metadata=meta.ObjectMetaArgs(name=name, namespace=args.namespace, labels=args.labels),
            spec=core.ServiceSpecArgs(
                type="ClusterIP",
                selector=args.labels,
                ports=[core.ServicePortArgs(name=args.port_name, port=_HTTP_PORT, target_port=args.port_name)],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = pulumi.Output.concat(
            "http://", service.metadata.name, ".", service.metadata.namespace, ".svc.cluster.local"
        )
        self.register_outputs({"url": self.url})
