from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from vodstack_platform.config import StackSettings
from vodstack_platform.providers import kubernetes_provider


@dataclass(frozen=True, kw_only=True)
class ClusterTarget:
    """The cluster that the services go to, whoever made it."""

    name: pulumi.Input[str]
    provider: kubernetes.Provider


def target(settings: StackSettings) -> ClusterTarget:
    existing = settings.cluster.existing
    if existing is None:
        raise pulumi.RunError("the cluster layer comes next: until then name a cluster of yours in cluster.existing")
    if existing.kubeconfig is None:
        return ClusterTarget(name=existing.name, provider=kubernetes_provider(context=existing.name))
    return ClusterTarget(name=existing.name, provider=kubernetes_provider(kubeconfig=existing.kubeconfig))
