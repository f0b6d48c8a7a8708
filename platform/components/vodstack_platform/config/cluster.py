from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from vodstack_platform.config.karpenter import KarpenterSettings
from vodstack_platform.config.section import Section

PrincipalArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$")]
CidrBlock = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$")]
AddonName = Literal[
    "vpc-cni", "kube-proxy", "coredns", "aws-ebs-csi-driver", "eks-pod-identity-agent", "metrics-server"
]
LogType = Literal["api", "audit", "authenticator", "controllerManager", "scheduler"]
WORLD = "0.0.0.0/0"


class ExistingClusterSettings(Section):
    """A cluster of the user's own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
    """Name of the cluster. For EKS, its EKS name: pod identities are tied to it."""
    storage_class: str | None = None
    """Storage class of the monitoring layer's volumes. Without it, the cluster's default one."""
    kubeconfig: str | None = Field(default=None, repr=False)
    """Kubeconfig document. Secret. Without it, the context called `name` in your own kubeconfig is used."""


class ApiServerSettings(Section):
    """How the Kubernetes API server is reached. Nodes and pods always take its private address."""

    public_cidrs: tuple[CidrBlock, ...] = ()
    """Address ranges that reach its public endpoint. Without any, there is no public endpoint."""
    open_to_the_world: bool = False
    """Let `0.0.0.0/0` stand in `publicCidrs`. Calls still need AWS credentials."""
    admins: tuple[PrincipalArn, ...] = ()
    """IAM roles and users that administer the cluster, beside whoever creates it."""

    @model_validator(mode="after")
    def _the_world_is_named(self) -> "ApiServerSettings":
        if WORLD in self.public_cidrs and not self.open_to_the_world:
            raise ValueError(f"publicCidrs holds {WORLD}: set openToTheWorld to true if everyone is meant")
        return self


class NodeSettings(Section):
    """The managed node group: Bottlerocket on Graviton."""

    instance_types: Annotated[tuple[str, ...], Field(min_length=1)] = ("t4g.medium", "c6g.large", "m6g.large")
    """ARM64 instance types. More of them make a spot interruption of all at once less likely."""
    capacity: Literal["SPOT", "ON_DEMAND"] = "SPOT"
    """`SPOT` costs about a third and may be taken away with two minutes' notice; the worker is built for that."""
    min_size: Annotated[int, Field(ge=1, le=100)] = 2
    """Fewest nodes."""
    desired_size: Annotated[int, Field(ge=1, le=100)] = 3
    """Nodes at first. Later changes by hand or by an autoscaler are kept."""
    max_size: Annotated[int, Field(ge=1, le=100)] = 5
    """Most nodes."""
    disk_size_gib: Annotated[int, Field(ge=20, le=16_384)] = 60
    """Data disk of a node in GiB: images, logs, and the workers' scratch."""
    max_pods: Annotated[int, Field(ge=17, le=110)] = 40
    """Pods of a node. Kubelet reserves 11 MiB of memory for each, whether it is there or not."""

    @model_validator(mode="after")
    def _sizes_are_ordered(self) -> "NodeSettings":
        if not self.min_size <= self.desired_size <= self.max_size:
            raise ValueError("minSize, desiredSize and maxSize must not decrease in this order")
        return self


class ClusterSettings(Section):
    """The Kubernetes cluster."""

    existing: ExistingClusterSettings | None = None
    """A cluster that vodstack did not make and uses for the services."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")] | None = None
    """Name of the cluster. Without it, `vodstack-` and the stack's name."""
    version: Annotated[str, Field(pattern=r"^1\.[0-9]{2}$")] = "1.35"
    """Kubernetes version of control plane and nodes."""
    api_server: ApiServerSettings = ApiServerSettings()
    """Who reaches the API server."""
    log_types: tuple[LogType, ...] = ("audit", "authenticator")
    """Logs of the control plane that go to CloudWatch."""
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = 30
    """Days that CloudWatch keeps them."""
    deletion_protection: bool = True
    """Make Pulumi and EKS itself refuse to delete the cluster. Turn it off in an `up` before a `destroy`."""
    nodes: NodeSettings = NodeSettings()
    """The nodes."""
    karpenter: KarpenterSettings | None = None
    """Further nodes, as the pods need them. Unset: the managed group alone."""
    addon_versions: Mapping[AddonName, str] = Field(default_factory=dict[AddonName, str])
    """EKS add-ons' versions to pin. Others: EKS's default; for vpc-cni and kube-proxy the newest at each update."""
