from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from vodstack_contracts.outputs import ClusterOutputs, FoundationOutputs, read
from vodstack_platform.cluster_addons import ClusterAddons, ClusterAddonsArgs
from vodstack_platform.config import LayerName
from vodstack_platform.config.cluster import ClusterSettings, ExistingClusterSettings
from vodstack_platform.config.karpenter import KarpenterSettings
from vodstack_platform.default_storage import DefaultStorage
from vodstack_platform.karpenter import Karpenter, KarpenterArgs
from vodstack_platform.kubernetes_cluster import DeliveryRoles, KubernetesCluster, KubernetesClusterArgs
from vodstack_platform.layer import Layer
from vodstack_platform.node_group import NodeGroup, NodeGroupArgs
from vodstack_platform.node_pool import NodePool, NodePoolArgs
from vodstack_platform.providers import kubernetes_provider
from vodstack_platform.role_boundaries import Reach, RoleBoundaries

Foundation = FoundationOutputs[pulumi.Output[str]]


@dataclass(frozen=True, kw_only=True)
class ClusterTarget:
    """The cluster that other layers go to, whoever made it."""

    name: pulumi.Input[str]
    storage_class: pulumi.Input[str] | None
    provider: kubernetes.Provider


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a cluster takes over from the stack around it."""

    provider: aws.Provider
    profile: str | None
    tags: dict[str, str]
    is_delivered: bool
    boundaries: RoleBoundaries | None

    def boundary(self, reach: Reach) -> pulumi.Output[str] | None:
        return getattr(self.boundaries, reach) if self.boundaries else None


def build(settings: ClusterSettings, data: Foundation, around: Surroundings) -> ClusterTarget:
    layer = Layer(LayerName.CLUSTER, [around.provider])
    opts = pulumi.ResourceOptions(parent=layer)
    control_plane = KubernetesCluster("cluster", _control_plane(settings, data, around), opts)
    nodes = NodeGroup("nodes", _nodes(settings, data, around, control_plane), opts)
    addons = ClusterAddonsArgs(
        cluster_name=control_plane.cluster_name,
        versions=settings.addon_versions,
        after=nodes.group,
        permissions_boundary=around.boundary(Reach.NODES),
    )
    # Whoever uses this kubeconfig waits for nodes and add-ons, and is gone before they go.
    kubeconfig = _after(control_plane.cluster.kubeconfig_json, nodes.ready, ClusterAddons("addons", addons, opts).ready)
    if settings.karpenter:
        own = pulumi.ResourceOptions(parent=layer, providers=[kubernetes_provider("karpenter", kubeconfig=kubeconfig)])
        karpenter = Karpenter("karpenter", _karpenter(settings, data, around, control_plane), own)
        pool = _pool(settings.karpenter, settings, karpenter, data, around)
        # Pods of every layer run on these nodes, so all of them are gone before the nodes go.
        kubeconfig = _after(kubeconfig, NodePool("graviton", pool, own).ready)
    provider = kubernetes_provider(kubeconfig=kubeconfig)
    storage = DefaultStorage("gp3", pulumi.ResourceOptions(parent=layer, providers=[provider]))
    layer.publish(
        ClusterOutputs(
            cluster_name=control_plane.cluster_name,
            kubeconfig=pulumi.Output.json_dumps(control_plane.cluster.kubeconfig, sort_keys=True),
            storage_class=storage.class_name,
        )
    )
    return ClusterTarget(name=control_plane.cluster_name, storage_class=storage.class_name, provider=provider)


def _control_plane(settings: ClusterSettings, data: Foundation, around: Surroundings) -> KubernetesClusterArgs:
    return KubernetesClusterArgs(
        cluster_name=cluster_name(settings),
        settings=settings,
        vpc_id=data.vpc_id,
        private_subnet_ids=_ids(data.private_subnet_ids),
        public_subnet_ids=_ids(data.public_subnet_ids),
        key_arn=data.key_arn,
        profile=around.profile,
        delivery=_delivery(data) if around.is_delivered else None,
        permissions_boundary=around.boundary(Reach.BALANCERS),
    )


def _nodes(
    settings: ClusterSettings, data: Foundation, around: Surroundings, control_plane: KubernetesCluster
) -> NodeGroupArgs:
    return NodeGroupArgs(
        cluster=control_plane.cluster,
        version=settings.version,
        settings=settings.nodes,
        subnet_ids=_ids(data.private_subnet_ids),
        name_tag=f"{cluster_name(settings)}-node",
        tags=around.tags,
        permissions_boundary=around.boundary(Reach.NODES),
    )


def _karpenter(
    settings: ClusterSettings, data: Foundation, around: Surroundings, control_plane: KubernetesCluster
) -> KarpenterArgs:
    return KarpenterArgs(
        cluster_name=control_plane.cluster_name,
        name=cluster_name(settings),
        region=data.region,
        permissions_boundary=around.boundary(Reach.NODES),
    )


def _pool(
    wanted: KarpenterSettings, settings: ClusterSettings, karpenter: Karpenter, data: Foundation, around: Surroundings
) -> NodePoolArgs:
    return NodePoolArgs(
        settings=wanted,
        karpenter=karpenter,
        subnet_ids=_ids(data.private_subnet_ids),
        max_pods=settings.nodes.max_pods,
        tags={**around.tags, "Name": f"{cluster_name(settings)}-node"},
    )


def _after(kubeconfig: pulumi.Output[str], *others: pulumi.Output[Any]) -> pulumi.Output[str]:
    return pulumi.Output.all(kubeconfig, *others).apply(lambda known: str(known[0]))


def cluster_name(settings: ClusterSettings) -> str:
    return settings.name or f"vodstack-{pulumi.get_stack()}"


def _delivery(data: Foundation) -> DeliveryRoles:
    return DeliveryRoles(deploy_role_arn=data.deploy_role_arn, preview_role_arn=data.preview_role_arn)


def use(existing: ExistingClusterSettings) -> ClusterTarget:
    """The target of a cluster that vodstack did not make."""
    if existing.kubeconfig is None:
        provider = kubernetes_provider(context=existing.name)
    else:
        provider = kubernetes_provider(kubeconfig=existing.kubeconfig)
    return ClusterTarget(name=existing.name, storage_class=existing.storage_class, provider=provider)


def refer(reference: pulumi.StackReference) -> ClusterTarget:
    """The target of a cluster that another stack holds."""
    outputs = read(ClusterOutputs[pulumi.Output[str]], reference)
    provider = kubernetes_provider(kubeconfig=outputs.kubeconfig)
    return ClusterTarget(name=outputs.cluster_name, storage_class=outputs.storage_class, provider=provider)


def _ids(joined: pulumi.Output[str]) -> pulumi.Output[list[str]]:
    return joined.apply(lambda text: text.split(",") if text else [])
