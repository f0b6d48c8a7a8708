from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.autoscaling import v2 as autoscaling
from pulumi_kubernetes.meta import v1 as meta

from vodstack_platform.labels import labels

_CALM_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class LoadScalingArgs:
    """What is scaled, and between which bounds."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the Deployment."""
    deployment: pulumi.Input[str]
    """Name of the Deployment."""
    cpu_percent: int
    """Use of the requested CPU, in percent, that the pods' number aims at."""
    min_replicas: int
    """Fewest pods."""
    max_replicas: int
    """Most pods."""


class LoadScaling(pulumi.ComponentResource):
    """As many pods as keep each at its share of CPU."""

    def __init__(self, name: str, args: LoadScalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:LoadScaling", name, None, opts)
        cpu = autoscaling.ResourceMetricSourceArgs(
            name="cpu",
            target=autoscaling.MetricTargetArgs(type="Utilization", average_utilization=args.cpu_percent),
        )
        autoscaling.HorizontalPodAutoscaler(
            name,
            metadata=meta.ObjectMetaArgs(name=name, namespace=args.namespace, labels=labels(name)),
            spec=autoscaling.HorizontalPodAutoscalerSpecArgs(
                scale_target_ref=autoscaling.CrossVersionObjectReferenceArgs(
                    api_version="apps/v1", kind="Deployment", name=args.deployment
                ),
                min_replicas=args.min_replicas,
                max_replicas=args.max_replicas,
                metrics=[autoscaling.MetricSpecArgs(type="Resource", resource=cpu)],
                behavior=autoscaling.HorizontalPodAutoscalerBehaviorArgs(
                    scale_down=autoscaling.HPAScalingRulesArgs(stabilization_window_seconds=_CALM_SECONDS)
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
