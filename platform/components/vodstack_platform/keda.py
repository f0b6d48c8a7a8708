from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.helm import v3 as helm

from vodstack_platform.labels import labels
from vodstack_platform.policy import Statement
from vodstack_platform.service_namespace import ServiceNamespace, ServiceNamespaceArgs
from vodstack_platform.workload_identity import WorkloadIdentity, WorkloadIdentityArgs

NAMESPACE = "keda"
REPOSITORY = "https://kedacore.github.io/charts"
VERSION = "2.20.2"
_OPERATOR = "keda-operator"
_TIMEOUT_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class KedaArgs:
    """Where it runs, and what it may ask."""

    cluster_name: pulumi.Input[str]
    """EKS name of the cluster."""
    statements: Sequence[Statement]
    """What the operator may ask of AWS: the lengths that it scales by."""
    permissions_boundary: pulumi.Input[str] | None = None
    """ARN of the policy that bounds what its role may do, whatever it is given. None: nothing bounds it."""


class Keda(pulumi.ComponentResource):
    """The operator that scales by what waits in a queue."""

    release: helm.Release

    def __init__(self, name: str, args: KedaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:Keda", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespace = ServiceNamespace(name, ServiceNamespaceArgs(namespace=NAMESPACE), child).namespace
        identity = WorkloadIdentityArgs(
            cluster_name=args.cluster_name,
            namespace=namespace,
            service_account=_OPERATOR,
            labels=labels(_OPERATOR),
            statements=args.statements,
            asks_kubernetes=True,
            permissions_boundary=args.permissions_boundary,
        )
        account = WorkloadIdentity(_OPERATOR, identity, child).service_account
        self.release = helm.Release(
            name,
            name=name,
            namespace=namespace,
            chart="keda",
            version=VERSION,
            repository_opts=helm.RepositoryOptsArgs(repo=REPOSITORY),
            values={"serviceAccount": {"operator": {"create": False, "name": account}}, "resources": _resources()},
            timeout=_TIMEOUT_SECONDS,
            atomic=True,
            cleanup_on_fail=True,
            opts=child,
        )
        self.register_outputs({})


def _resources() -> dict[str, object]:
    sizes = {"operator": ("50m", "96Mi"), "metricServer": ("30m", "64Mi"), "webhooks": ("10m", "32Mi")}
    return {
        part: {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
        for part, (cpu, memory) in sizes.items()
    }
