"""The permissions boundaries: what a stack's roles may do at most, whatever policies they are given."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pulumi
import pulumi_aws as aws

from vodstack_contracts.outputs import FoundationOutputs
from vodstack_platform import bounded_actions as bounded
from vodstack_platform.deployment_actions import actions
from vodstack_platform.interruption_queue import interruption_queue_name
from vodstack_platform.policy import Statement, delivery_path, policy_document, role_path

Foundation = FoundationOutputs[pulumi.Output[str]]
_BALANCING = "elasticloadbalancing.amazonaws.com"


class Reach(StrEnum):
    """Whose boundary it is."""

    DATA = "data"  # services, and what scales them by their queues
    NODES = "nodes"  # nodes, their disks, and what makes and removes them
    BALANCERS = "balancers"  # the control plane, and what makes load balancers


def boundary_arns(stack: str, account: pulumi.Input[str]) -> list[pulumi.Output[str]]:
    """The ARNs of a stack's boundaries, fixed: a deployment's rights name them before they are there."""
    path = delivery_path(stack)
    return [
        pulumi.Output.concat("arn:aws:iam::", account, f":policy{path}{_policy_name(stack, each)}") for each in Reach
    ]


def _policy_name(stack: str, reach: Reach) -> str:
    """An account has a name once, whatever the path."""
    return f"vodstack-{stack}-{reach}-boundary"


@dataclass(frozen=True, kw_only=True)
class RoleBoundariesArgs:
    """The data and the cluster that the stack's roles are there for."""

    data: Foundation
    """What holds the videos."""
    cluster: str
    """EKS name of the cluster."""
    account_id: pulumi.Input[str]
    """The account of all of it."""

    def arn(self, service: str, resource: str) -> pulumi.Output[str]:
        return pulumi.Output.concat(f"arn:aws:{service}:", self.data.region, ":", self.account_id, f":{resource}")

    def iam(self, resource: str) -> pulumi.Output[str]:
        return pulumi.Output.concat("arn:aws:iam::", self.account_id, f":{resource}")

    @property
    def in_region(self) -> Mapping[str, Mapping[str, pulumi.Input[str]]]:
        return {"StringEquals": {"aws:RequestedRegion": self.data.region}}

    def owned(self, of: str) -> Mapping[str, Mapping[str, pulumi.Input[str]]]:
        """The tag, of a `Request` or a `Resource`, by which something is the cluster's."""
        return {"StringEquals": {f"aws:{of}Tag/kubernetes.io/cluster/{self.cluster}": "owned"}}


class RoleBoundaries(pulumi.ComponentResource):
    """Policies that grant nothing: a role that carries one does only what that one lists as well.

    They lie where deployments can read and not change them, so a role that a deployment makes climbs no higher.
    """

    data: pulumi.Output[str]
    nodes: pulumi.Output[str]
    balancers: pulumi.Output[str]

    def __init__(self, name: str, args: RoleBoundariesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:RoleBoundaries", name, None, opts)
        self.data = self._policy(name, Reach.DATA, _data(args))
        self.nodes = self._policy(name, Reach.NODES, [*_machines(args), *_joining(args), *_profiles(args)])
        self.balancers = self._policy(name, Reach.BALANCERS, _balancers(args))
        self.register_outputs({"data": self.data, "nodes": self.nodes, "balancers": self.balancers})

    def _policy(self, name: str, reach: Reach, statements: list[Statement]) -> pulumi.Output[str]:
        """A policy of statements without names: all of them have to fit into 6,144 characters."""
        stack = pulumi.get_stack()
        made = aws.iam.Policy(
            f"{name}-{reach}",
            name=_policy_name(stack, reach),
            path=delivery_path(stack),
            description=f"The most that roles of {stack} may do ({reach})",
            policy=policy_document(*statements),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made.arn


def _data(args: RoleBoundariesArgs) -> list[Statement]:
    data = args.data
    index = pulumi.Output.concat(data.videos_table_arn, "/index/by-owner")
    return [
        Statement(
            actions=actions("s3", bounded.S3), resources=[data.bucket_arn, pulumi.Output.concat(data.bucket_arn, "/*")]
        ),
        Statement(
            actions=actions("dynamodb", bounded.DYNAMODB),
            resources=[data.videos_table_arn, data.work_table_arn, index],
        ),
        Statement(actions=actions("sqs", bounded.SQS_JOBS), resources=[data.arrivals_queue_arn, data.chunks_queue_arn]),
        Statement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[data.key_arn]),
    ]


def _machines(args: RoleBoundariesArgs) -> list[Statement]:
    """Disks of volumes are encrypted by AWS's own key of the account."""
    via_ec2 = {"StringEquals": {"kms:ViaService": pulumi.Output.concat("ec2.", args.data.region, ".amazonaws.com")}}
    listed = [*actions("ec2", bounded.EC2_OF_NODES), *actions("ecr", bounded.ECR)]
    return [
        Statement(actions=listed, resources=["*"], condition=args.in_region),
        *_tags(args),
        Statement(
            actions=["ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"],
            resources=["*"],
            condition={"StringEquals": {**args.in_region["StringEquals"], **args.owned("Resource")["StringEquals"]}},
        ),
        Statement(
            actions=actions("kms", bounded.KMS_OF_DISKS),
            resources=[args.arn("kms", "key/*")],
            condition={**via_ec2, "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/aws/ebs"}},
        ),
    ]


def _tags(args: RoleBoundariesArgs) -> list[Statement]:
    """A tag says whose a thing is, and so who may change it: what others have made gets none that says ours."""
    ours = {"aws:TagKeys": ["stack", f"kubernetes.io/cluster/{args.cluster}"]}
    return [
        Statement(
            actions=["ec2:CreateTags"],
            resources=["*"],
            condition={**args.in_region, "Null": {"ec2:CreateAction": "false"}},
        ),
        Statement(
            actions=["ec2:CreateTags"],
            resources=["*"],
            condition={**args.in_region, "ForAllValues:StringNotEquals": ours},
        ),
    ]


def _joining(args: RoleBoundariesArgs) -> list[Statement]:
    images = pulumi.Output.concat("arn:aws:ssm:", args.data.region, "::parameter/aws/service/*")
    return [
        Statement(
            actions=["eks-auth:AssumeRoleForPodIdentity", "eks:DescribeCluster"],
            resources=[args.arn("eks", f"cluster/{args.cluster}")],
        ),
        Statement(
            actions=actions("sqs", bounded.SQS_WARNINGS),
            resources=[args.arn("sqs", interruption_queue_name(args.cluster))],
        ),
        Statement(actions=["ssm:GetParameter"], resources=[images]),
        # Prices and lists of profiles have neither a name nor a region.
        Statement(actions=["iam:ListInstanceProfiles", "pricing:GetProducts"], resources=["*"]),
    ]


def _profiles(args: RoleBoundariesArgs) -> list[Statement]:
    """Nodes get roles of this stack, which carry a boundary too. No role is made, changed or assumed."""
    profiles = [args.iam("instance-profile/*")]
    return [
        Statement(
            actions=["iam:PassRole"],
            resources=[args.iam(f"role{role_path(pulumi.get_stack())}*")],
            condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        Statement(
            actions=["iam:CreateInstanceProfile", "iam:TagInstanceProfile"],
            resources=profiles,
            condition=args.owned("Request"),
        ),
        Statement(
            actions=["iam:AddRoleToInstanceProfile", "iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"],
            resources=profiles,
            condition=args.owned("Resource"),
        ),
        Statement(actions=["iam:GetInstanceProfile"], resources=profiles),
    ]


def _balancers(args: RoleBoundariesArgs) -> list[Statement]:
    """The control plane also looks at the key of its secrets."""
    listed = [
        *actions("ec2", bounded.EC2_OF_BALANCERS),
        *actions("elasticloadbalancing", bounded.BALANCING),
        "acm:DescribeCertificate",
        "acm:ListCertificates",
    ]
    return [
        Statement(actions=listed, resources=["*"], condition=args.in_region),
        *_tags(args),
        Statement(actions=["kms:DescribeKey"], resources=[args.data.key_arn]),
        Statement(
            actions=["iam:CreateServiceLinkedRole"],
            resources=[args.iam(f"role/aws-service-role/{_BALANCING}/*")],
            condition={"StringEquals": {"iam:AWSServiceName": _BALANCING}},
        ),
    ]
