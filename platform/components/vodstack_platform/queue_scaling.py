import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from vodstack_contracts.fair_use import WAITING
from vodstack_platform.labels import labels

_API_VERSION = "keda.sh/v1alpha1"
_POLL_SECONDS = 15
_CALM_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class QueueScalingArgs:
    """What is scaled, by which queues, and between which bounds."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the Deployment."""
    deployment: pulumi.Input[str]
    """Name of the Deployment."""
    queue_urls: Sequence[pulumi.Input[str]]
    """URLs of the queues; the fullest decides."""
    waiting_table: pulumi.Input[str] | None = None
    """Name of the table in which jobs wait whose owner has its share, for workers that have nothing else to do."""
    region: pulumi.Input[str]
    """AWS region of queues and table."""
    messages_per_pod: int
    """Messages for each pod, those in work and those that wait."""
    min_replicas: int
    """Fewest pods."""
    max_replicas: int
    """Most pods."""
    operator: pulumi.Resource | None
    """What brings the kinds, if we install it."""


class QueueScaling(pulumi.ComponentResource):
    """As many pods as the fullest of their queues wants."""

    def __init__(self, name: str, args: QueueScalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:QueueScaling", name, None, opts)
        self._namespace = args.namespace
        # The operator has to outlive its objects: it alone takes their finalizers off.
        self._opts = pulumi.ResourceOptions(parent=self, depends_on=[args.operator] if args.operator else [])
        self._object("TriggerAuthentication", name, {"podIdentity": {"provider": "aws"}})
        self._object("ScaledObject", name, _scaled(args, name))
        self.register_outputs({})

    def _object(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        kubernetes.apiextensions.CustomResource(
            f"{name}-{kind.lower()}",
            api_version=_API_VERSION,
            kind=kind,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=name, namespace=self._namespace, labels=labels(name)),
            spec=spec,
            opts=self._opts,
        )


def _scaled(args: QueueScalingArgs, credentials: str) -> dict[str, Any]:
    leave_slowly = {
        "stabilizationWindowSeconds": _CALM_SECONDS,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }
    return {
        "scaleTargetRef": {"name": args.deployment},
        "minReplicaCount": args.min_replicas,
        "maxReplicaCount": args.max_replicas,
        "pollingInterval": _POLL_SECONDS,
        "cooldownPeriod": _CALM_SECONDS,
        "fallback": {"failureThreshold": 4, "replicas": args.min_replicas, "behavior": "currentReplicasIfHigher"},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": leave_slowly}}},
        "triggers": [*(_trigger(args, url, credentials) for url in args.queue_urls), *_waiting(args, credentials)],
    }


def _waiting(args: QueueScalingArgs, credentials: str) -> list[dict[str, Any]]:
    """Return the trigger of jobs outside the queues. Those that no further worker would begin lie under other keys."""
    if args.waiting_table is None:
        return []
    metadata = {
        "tableName": args.waiting_table,
        "awsRegion": args.region,
        "keyConditionExpression": "#line = :line",
        "expressionAttributeNames": json.dumps({"#line": "pk"}),
        "expressionAttributeValues": json.dumps({":line": {"S": WAITING}}),
        "targetValue": str(args.messages_per_pod),
    }
    return [{"type": "aws-dynamodb", "authenticationRef": {"name": credentials}, "metadata": metadata}]


def _trigger(args: QueueScalingArgs, queue_url: pulumi.Input[str], credentials: str) -> dict[str, Any]:
    return {
        "type": "aws-sqs-queue",
        "authenticationRef": {"name": credentials},
        "metadata": {
            "queueURL": queue_url,
            "awsRegion": args.region,
            "queueLength": str(args.messages_per_pod),
            # A video in work is a message in flight: without these, pods at work would be taken away.
            "scaleOnInFlight": "true",
        },
    }
