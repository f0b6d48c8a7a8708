from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from vodstack_platform.config.karpenter import FEWEST_TYPES, KarpenterSettings
from vodstack_platform.karpenter import Karpenter
from vodstack_platform.labels import labels

_GROUP, _NODE_GROUP = "karpenter.sh", "karpenter.k8s.aws"
# Leaving nodes wait for their pods, so whoever removes the pool waits for the nodes.
_DELETE_TIMEOUT = "90m"
_CALM = "5m"
_DEVICES = {"/dev/xvda": 4}  # Bottlerocket's system; its data disk has the configured size
_DATA_DEVICE = "/dev/xvdb"


@dataclass(frozen=True, kw_only=True)
class NodePoolArgs:
    """Which nodes Karpenter may make, and where."""

    settings: KarpenterSettings
    """Types, limits in cores and GiB, times."""
    karpenter: Karpenter
    """The controller that makes them."""
    subnet_ids: pulumi.Output[list[str]]
    """Subnets of the nodes."""
    max_pods: int
    """Pods of a node."""
    tags: dict[str, str]
    """AWS tags of the nodes and their disks, which default tags do not reach."""


class NodePool(pulumi.ComponentResource):
    """What Karpenter's nodes are like: Bottlerocket on Graviton, spot first, with as much choice as there is."""

    ready: pulumi.Output[str]

    def __init__(self, name: str, args: NodePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:NodePool", name, None, opts)
        entry = aws.eks.AccessEntry(
            name,
            cluster_name=args.karpenter.cluster_name,
            principal_arn=args.karpenter.node_role.arn,
            type="EC2_LINUX",
            opts=pulumi.ResourceOptions(parent=self),
        )
        needed = [entry, *args.karpenter.needed]
        node_class = self._object(f"{_NODE_GROUP}/v1", "EC2NodeClass", name, _node_class(args), needed)
        pool = self._object(f"{_GROUP}/v1", "NodePool", name, _pool(args.settings, name), [node_class])
        self.ready = pool.urn
        self.register_outputs({})

    def _object(
        self, api_version: str, kind: str, name: str, spec: dict[str, Any], after: Sequence[pulumi.Resource]
    ) -> kubernetes.apiextensions.CustomResource:
        return kubernetes.apiextensions.CustomResource(
            f"{name}-{kind.lower()}",
            api_version=api_version,
            kind=kind,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=name, labels=labels(name), annotations={"pulumi.com/waitFor": "condition=Ready"}
            ),
            spec=spec,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=after, custom_timeouts=pulumi.CustomTimeouts(delete=_DELETE_TIMEOUT)
            ),
        )


def _node_class(args: NodePoolArgs) -> dict[str, Any]:
    settings = args.settings
    sizes = {**_DEVICES, _DATA_DEVICE: settings.disk_size_gib}
    return {
        "amiSelectorTerms": [{"alias": f"bottlerocket@v{settings.bottlerocket_version}"}],
        "role": args.karpenter.node_role.name,
        "subnetSelectorTerms": args.subnet_ids.apply(lambda ids: [{"id": each} for each in ids]),
        # The group that EKS makes, and the managed nodes have: pods of both reach one another.
        "securityGroupSelectorTerms": [{"tags": {"aws:eks:cluster-name": args.karpenter.cluster_name}}],
        "blockDeviceMappings": [_disk(device, size) for device, size in sizes.items()],
        "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
        "kubelet": {"maxPods": args.max_pods},
        "tags": args.tags,
    }


def _disk(device: str, size_gib: int) -> dict[str, Any]:
    ebs = {"volumeSize": f"{size_gib}Gi", "volumeType": "gp3", "encrypted": True, "deleteOnTermination": True}
    return {"deviceName": device, "ebs": ebs}


def _pool(settings: KarpenterSettings, node_class: str) -> dict[str, Any]:
    node = {
        "nodeClassRef": {"group": _NODE_GROUP, "kind": "EC2NodeClass", "name": node_class},
        "requirements": _requirements(settings),
        "expireAfter": f"{settings.expire_after_hours}h",
        "terminationGracePeriod": f"{settings.termination_grace_minutes}m",
    }
    return {
        "template": {"spec": node},
        "limits": {"cpu": str(settings.max_cpu), "memory": f"{settings.max_memory_gib}Gi"},
        "disruption": {
            "consolidationPolicy": "WhenEmptyOrUnderutilized",
            "consolidateAfter": _CALM,
            "budgets": [{"nodes": "10%"}],
        },
    }


def _requirements(settings: KarpenterSettings) -> list[dict[str, Any]]:
    wanted = {
        "kubernetes.io/os": ["linux"],
        "kubernetes.io/arch": ["arm64"],
        # Karpenter takes spot where there is any, and falls back to the other.
        "karpenter.sh/capacity-type": ["spot", "on-demand"],
        f"{_NODE_GROUP}/instance-family": list(settings.instance_families),
        f"{_NODE_GROUP}/instance-size": list(settings.instance_sizes),
    }
    listed: list[dict[str, Any]] = [{"key": key, "operator": "In", "values": given} for key, given in wanted.items()]
    choice = {"key": "node.kubernetes.io/instance-type", "operator": "Exists", "minValues": FEWEST_TYPES}
    return [*listed, choice]
