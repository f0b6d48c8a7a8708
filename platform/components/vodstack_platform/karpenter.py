from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi_kubernetes.helm import v3 as helm

from vodstack_platform.interruption_queue import InterruptionQueue, InterruptionQueueArgs
from vodstack_platform.karpenter_access import Reach, controller_statements
from vodstack_platform.labels import labels
from vodstack_platform.node_role import node_role
from vodstack_platform.workload_identity import WorkloadIdentity, WorkloadIdentityArgs

# Its calls to Kubernetes must not queue behind everybody else's, which holds for this namespace alone.
NAMESPACE = "kube-system"
CHARTS = "oci://public.ecr.aws/karpenter"
VERSION = "1.14.1"
_NAME = "karpenter"
_TIMEOUT_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class KarpenterArgs:
    """Where it makes nodes."""

    cluster_name: pulumi.Input[str]
    """EKS name of the cluster, known once it is there."""
    name: str
    """The same as plain text."""
    region: pulumi.Input[str]
    """AWS region of the cluster."""
    permissions_boundary: pulumi.Input[str] | None = None
    """ARN of the policy that bounds what its roles may do, whatever they are given. None: nothing bounds them."""


class Karpenter(pulumi.ComponentResource):
    """The controller that makes and removes nodes, on nodes that it does not make itself.

    `needed` is what its nodes need to join, and to leave in good order.
    """

    node_role: aws.iam.Role
    cluster_name: pulumi.Input[str]
    needed: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: KarpenterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:Karpenter", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.cluster_name = args.cluster_name
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self)).account_id
        queue = InterruptionQueue("interruptions", InterruptionQueueArgs(prefix=args.name, account_id=account), child)
        self.node_role, policies = node_role(
            f"{name}-nodes", "Karpenter's nodes", child, permissions_boundary=args.permissions_boundary
        )
        reach = Reach(
            cluster=args.name,
            region=args.region,
            account_id=account,
            node_role_arn=self.node_role.arn,
            queue_arn=queue.queue_arn,
        )
        values = _values(args, _identity(args, reach, child).service_account, queue.queue_name)
        kinds = _release(f"{_NAME}-crd", {}, child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[kinds])
        self.needed = [_release(_NAME, values, after, skip_crds=True), *policies]
        self.register_outputs({})


def _identity(args: KarpenterArgs, reach: Reach, opts: pulumi.ResourceOptions) -> WorkloadIdentity:
    identity = WorkloadIdentityArgs(
        cluster_name=args.cluster_name,
        namespace=NAMESPACE,
        service_account=_NAME,
        labels=labels(_NAME),
        statements=controller_statements(reach),
        asks_kubernetes=True,
        permissions_boundary=args.permissions_boundary,
    )
    return WorkloadIdentity(_NAME, identity, opts)


def _values(args: KarpenterArgs, account: pulumi.Output[str], queue_name: pulumi.Output[str]) -> dict[str, object]:
    return {
        "serviceAccount": {"create": False, "name": account},
        "settings": {
            "clusterName": args.cluster_name,
            "interruptionQueue": queue_name,
            # Fewer types than wished for are better than a pod without a node.
            "minValuesPolicy": "BestEffort",
        },
        # With one hop to the metadata, a pod cannot ask where it is.
        "controller": {"env": [{"name": "AWS_REGION", "value": args.region}], "resources": _resources()},
    }


def _release(
    name: str, values: Mapping[str, object], opts: pulumi.ResourceOptions, *, skip_crds: bool = False
) -> helm.Release:
    return helm.Release(
        name,
        name=name,
        namespace=NAMESPACE,
        chart=f"{CHARTS}/{name}",
        version=VERSION,
        values=values,
        skip_crds=skip_crds,
        timeout=_TIMEOUT_SECONDS,
        atomic=True,
        cleanup_on_fail=True,
        opts=opts,
    )


def _resources() -> dict[str, object]:
    return {"requests": {"cpu": "250m", "memory": "768Mi"}, "limits": {"memory": "768Mi"}}
