from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from vodstack_platform.policy import Statement, pod_identity_trust, policy_document, role_path


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    """Who the workload is in the cluster, and what that may do to AWS."""

    cluster_name: pulumi.Input[str]
    """EKS name of the cluster."""
    namespace: pulumi.Input[str]
    """Kubernetes namespace of the account."""
    service_account: str
    """Name of the ServiceAccount, one of a namespace."""
    labels: dict[str, str]
    """Labels of the ServiceAccount."""
    statements: Sequence[Statement]
    """What the role may do."""
    asks_kubernetes: bool = False
    """Give the pods a token for Kubernetes itself, which few need."""
    permissions_boundary: pulumi.Input[str] | None = None
    """ARN of the policy that bounds what its role may do, whatever it is given. None: nothing bounds it."""


class WorkloadIdentity(pulumi.ComponentResource):
    """A ServiceAccount that EKS Pod Identity turns into an IAM role of its own."""

    role_arn: pulumi.Output[str]
    service_account: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:WorkloadIdentity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            path=role_path(pulumi.get_stack()),
            description=f"vodstack {args.service_account} in {pulumi.get_stack()}",
            assume_role_policy=pod_identity_trust(),
            permissions_boundary=args.permissions_boundary,
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-policy", role=role.name, policy=policy_document(*args.statements), opts=child
        )
        account = kubernetes.core.v1.ServiceAccount(
            name,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=args.service_account, namespace=args.namespace, labels=args.labels
            ),
            automount_service_account_token=args.asks_kubernetes,
            opts=child,
        )
        association = aws.eks.PodIdentityAssociation(
            name,
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=args.service_account,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.role_arn = role.arn
        # A pod that starts before its association gets no credentials, so whoever names the account waits for both.
        self.service_account = pulumi.Output.all(account.metadata.name, association.urn).apply(
            lambda pair: str(pair[0])
        )
        self.register_outputs({"role_arn": self.role_arn, "service_account": self.service_account})
