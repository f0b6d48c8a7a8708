from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes

from vodstack_platform.labels import labels


@dataclass(frozen=True, kw_only=True)
class ServiceNamespaceArgs:
    """Its name, and what its pods may be."""

    namespace: str
    """Name of the namespace. It is fixed, for pod identities name it."""
    standard: Literal["restricted", "privileged"] = "restricted"
    """Pod security standard that it enforces."""


class ServiceNamespace(pulumi.ComponentResource):
    """A namespace that admits no pod outside its pod security standard."""

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: ServiceNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:ServiceNamespace", name, None, opts)
        modes = {f"pod-security.kubernetes.io/{mode}": args.standard for mode in ("audit", "enforce", "warn")}
        namespace = kubernetes.core.v1.Namespace(
            name,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=args.namespace, labels={**labels(args.namespace), **modes}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.namespace = namespace.metadata.name
        self.register_outputs({"namespace": self.namespace})
