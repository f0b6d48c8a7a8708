"""What Karpenter may do: start, tag and end nodes of its own cluster, and look for what they are made of.

The statements follow those of Karpenter's own template, without what this cluster does not use.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from vodstack_platform.policy import Statement

_NODEPOOL, _NODECLASS = "karpenter.sh/nodepool", "karpenter.k8s.aws/ec2nodeclass"
_MADE = ("fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request")
_DISCOVERIES = (
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribePlacementGroups",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
)

Conditions = Mapping[str, Mapping[str, pulumi.Input[str] | list[pulumi.Input[str]]]]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The cluster whose nodes Karpenter makes, the role that they get, and the queue of warnings about them."""

    cluster: str
    region: pulumi.Input[str]
    account_id: pulumi.Input[str]
    node_role_arn: pulumi.Input[str]
    queue_arn: pulumi.Input[str]

    def ec2(self, kind: str, account: pulumi.Input[str]) -> pulumi.Output[str]:
        return pulumi.Output.concat("arn:aws:ec2:", self.region, ":", account, f":{kind}/*")

    @property
    def made(self) -> list[pulumi.Input[str]]:
        return [self.ec2(kind, self.account_id) for kind in _MADE]

    @property
    def profiles(self) -> list[pulumi.Input[str]]:
        return [pulumi.Output.concat("arn:aws:iam::", self.account_id, ":instance-profile/*")]

    def tags(self, of: str, *, pool: str = _NODEPOOL) -> Conditions:
        """Tags, of a `Request` or a `Resource`, that say whose it is."""
        key = f"aws:{of}Tag"
        names: dict[str, pulumi.Input[str]] = {f"{key}/kubernetes.io/cluster/{self.cluster}": "owned"}
        if of == "Request":
            names[f"{key}/eks:eks-cluster-name"] = self.cluster
        if pool == _NODECLASS:
            names[f"{key}/topology.kubernetes.io/region"] = self.region
        return {"StringEquals": names, "StringLike": {f"{key}/{pool}": "*"}}


def controller_statements(reach: Reach) -> list[Statement]:
    return [*_launches(reach), *_tagging(reach), *_removals(reach), *_profiles(reach), *_discoveries(reach)]


def _launches(reach: Reach) -> list[Statement]:
    start = ["ec2:CreateFleet", "ec2:RunInstances"]
    # A shared subnet belongs to another account, and images and snapshots to none.
    parts = [reach.ec2(kind, "") for kind in ("image", "snapshot")]
    parts += [reach.ec2(kind, "*") for kind in ("security-group", "subnet")]
    return [
        Statement(sid="LaunchFrom", actions=start, resources=parts),
        Statement(
            sid="LaunchByOwnTemplates",
            actions=start,
            resources=[reach.ec2("launch-template", reach.account_id)],
            condition=reach.tags("Resource"),
        ),
        Statement(
            sid="Launch",
            actions=[*start, "ec2:CreateLaunchTemplate"],
            resources=reach.made,
            condition=reach.tags("Request"),
        ),
    ]


def _tagging(reach: Reach) -> list[Statement]:
    creation = {"ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"]}
    new, own = reach.tags("Request"), reach.tags("Resource")
    return [
        Statement(
            sid="TagWhatIsLaunched",
            actions=["ec2:CreateTags"],
            resources=reach.made,
            condition={**new, "StringEquals": {**new["StringEquals"], **creation}},
        ),
        Statement(
            sid="TagOwnNodes",
            actions=["ec2:CreateTags"],
            resources=[reach.ec2("instance", reach.account_id)],
            condition={
                **own,
                "StringEqualsIfExists": {"aws:RequestTag/eks:eks-cluster-name": reach.cluster},
                "ForAllValues:StringEquals": {
                    "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]
                },
            },
        ),
    ]


def _removals(reach: Reach) -> list[Statement]:
    return [
        Statement(
            sid="RemoveOwn",
            actions=["ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"],
            resources=[reach.ec2(kind, reach.account_id) for kind in ("instance", "launch-template")],
            condition=reach.tags("Resource"),
        )
    ]


def _profiles(reach: Reach) -> list[Statement]:
    new, own = reach.tags("Request", pool=_NODECLASS), reach.tags("Resource", pool=_NODECLASS)
    both = {test: {**own[test], **new[test]} for test in own}
    return [
        Statement(
            sid="HandOverNodeRole",
            actions=["iam:PassRole"],
            resources=[reach.node_role_arn],
            condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        Statement(sid="MakeProfiles", actions=["iam:CreateInstanceProfile"], resources=reach.profiles, condition=new),
        Statement(sid="TagProfiles", actions=["iam:TagInstanceProfile"], resources=reach.profiles, condition=both),
        Statement(
            sid="OwnProfiles",
            actions=["iam:AddRoleToInstanceProfile", "iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"],
            resources=reach.profiles,
            condition=own,
        ),
        Statement(sid="ReadProfiles", actions=["iam:GetInstanceProfile"], resources=reach.profiles),
    ]


def _discoveries(reach: Reach) -> list[Statement]:
    cluster = pulumi.Output.concat("arn:aws:eks:", reach.region, ":", reach.account_id, f":cluster/{reach.cluster}")
    parameters = pulumi.Output.concat("arn:aws:ssm:", reach.region, "::parameter/aws/service/*")
    return [
        Statement(
            sid="Discover",
            actions=_DISCOVERIES,
            resources=["*"],
            condition={"StringEquals": {"aws:RequestedRegion": reach.region}},
        ),
        # Prices and lists of profiles have neither a name nor a region of their own.
        Statement(sid="DiscoverAnywhere", actions=["iam:ListInstanceProfiles", "pricing:GetProducts"], resources=["*"]),
        Statement(sid="DiscoverImages", actions=["ssm:GetParameter"], resources=[parameters]),
        Statement(sid="DiscoverCluster", actions=["eks:DescribeCluster"], resources=[cluster]),
        Statement(
            sid="Warnings",
            actions=["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
            resources=[reach.queue_arn],
        ),
    ]
