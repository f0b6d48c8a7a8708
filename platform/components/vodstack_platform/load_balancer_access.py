"""What the AWS Load Balancer Controller may do: make, change and remove the load balancers of its own cluster.

The statements follow those of its own policy, without firewalls, Shield, sign-in and Outposts, which are switched off.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from vodstack_platform.policy import Statement

_CLUSTER = "elbv2.k8s.aws/cluster"  # on all that the controller makes
_EKS_CLUSTER = "aws:eks:cluster-name"  # on the group that EKS makes for a cluster's nodes
_BALANCER, _TARGETS = "loadbalancer/app/*", "targetgroup/*"
_LISTENER, _RULE = "listener/app/*", "listener-rule/app/*"
_EC2_READS = (
    "DescribeAccountAttributes DescribeAddresses DescribeAvailabilityZones DescribeInstances DescribeInternetGateways "
    "DescribeIpamPools DescribeNetworkInterfaces DescribeRouteTables DescribeSecurityGroups DescribeSubnets "
    "DescribeTags DescribeVpcPeeringConnections DescribeVpcs GetSecurityGroupsForVpc"
)
_ELB_READS = (
    "DescribeCapacityReservation DescribeListenerAttributes DescribeListenerCertificates DescribeListeners "
    "DescribeLoadBalancerAttributes DescribeLoadBalancers DescribeRules DescribeSSLPolicies DescribeTags "
    "DescribeTargetGroupAttributes DescribeTargetGroups DescribeTargetHealth DescribeTrustStores"
)
_ELB_CHANGES = (
    "DeleteLoadBalancer DeleteTargetGroup DeregisterTargets ModifyCapacityReservation ModifyIpPools "
    "ModifyListenerAttributes ModifyLoadBalancerAttributes ModifyTargetGroup ModifyTargetGroupAttributes "
    "RegisterTargets SetIpAddressType SetSecurityGroups SetSubnets"
)

Condition = Mapping[str, Mapping[str, pulumi.Input[str] | list[pulumi.Input[str]]]]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where the controller's load balancers stand, and for which cluster."""

    cluster: pulumi.Input[str]
    region: pulumi.Input[str]
    account_id: pulumi.Input[str]
    vpc_id: pulumi.Input[str]

    def arn(self, service: str, resource: pulumi.Input[str]) -> pulumi.Output[str]:
        return pulumi.Output.concat(f"arn:aws:{service}:", self.region, ":", self.account_id, ":", resource)

    def elb(self, *resources: str) -> list[pulumi.Input[str]]:
        return [self.arn("elasticloadbalancing", resource) for resource in resources]

    @property
    def groups(self) -> list[pulumi.Input[str]]:
        return [self.arn("ec2", "security-group/*")]

    @property
    def new(self) -> Mapping[str, pulumi.Input[str]]:
        return {f"aws:RequestTag/{_CLUSTER}": self.cluster}

    @property
    def own(self) -> Mapping[str, pulumi.Input[str]]:
        return {f"aws:ResourceTag/{_CLUSTER}": self.cluster}

    @property
    def retagged(self) -> Condition:
        """Whatever is its own, as long as it stays that."""
        return {"StringEquals": self.own, "Null": {f"aws:RequestTag/{_CLUSTER}": "true"}}


def controller_statements(ground: Ground) -> list[Statement]:
    return [*_reads(ground), *_groups(ground), *_balancers(ground), *_listeners(ground)]


def _actions(service: str, names: str) -> list[str]:
    return [f"{service}:{name}" for name in names.split()]


def _reads(ground: Ground) -> list[Statement]:
    certificates = ["acm:DescribeCertificate", "acm:ListCertificates"]
    linked = pulumi.Output.concat(
        "arn:aws:iam::", ground.account_id, ":role/aws-service-role/elasticloadbalancing.amazonaws.com/*"
    )
    return [
        Statement(
            sid="Look",
            actions=[*_actions("ec2", _EC2_READS), *_actions("elasticloadbalancing", _ELB_READS), *certificates],
            resources=["*"],
            condition={"StringEquals": {"aws:RequestedRegion": ground.region}},
        ),
        Statement(
            sid="FirstInTheAccount",
            actions=["iam:CreateServiceLinkedRole"],
            resources=[linked],
            condition={"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
        ),
    ]


def _groups(ground: Ground) -> list[Statement]:
    rules = ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"]
    vpc = ground.arn("ec2", pulumi.Output.concat("vpc/", ground.vpc_id))
    return [
        Statement(sid="GroupsPlace", actions=["ec2:CreateSecurityGroup"], resources=[vpc]),
        Statement(
            sid="NewGroups",
            actions=["ec2:CreateSecurityGroup"],
            resources=ground.groups,
            condition={"StringEquals": ground.new},
        ),
        Statement(
            sid="TagNewGroups",
            actions=["ec2:CreateTags"],
            resources=ground.groups,
            condition={"StringEquals": {**ground.new, "ec2:CreateAction": "CreateSecurityGroup"}},
        ),
        Statement(
            sid="TagGroups",
            actions=["ec2:CreateTags", "ec2:DeleteTags"],
            resources=ground.groups,
            condition=ground.retagged,
        ),
        Statement(
            sid="Groups",
            actions=[*rules, "ec2:DeleteSecurityGroup"],
            resources=ground.groups,
            condition={"StringEquals": ground.own},
        ),
        Statement(
            sid="WayToThePods",
            actions=rules,
            resources=ground.groups,
            condition={"StringEquals": {f"aws:ResourceTag/{_EKS_CLUSTER}": ground.cluster}},
        ),
    ]


def _balancers(ground: Ground) -> list[Statement]:
    creation: Mapping[str, pulumi.Input[str] | list[pulumi.Input[str]]] = {
        **ground.new,
        "elasticloadbalancing:CreateAction": ["CreateLoadBalancer", "CreateTargetGroup"],
    }
    both = ground.elb(_BALANCER, _TARGETS)
    return [
        Statement(
            sid="NewBalancers",
            actions=_actions("elasticloadbalancing", "CreateLoadBalancer CreateTargetGroup"),
            resources=both,
            condition={"StringEquals": ground.new},
        ),
        Statement(
            sid="TagNewBalancers",
            actions=["elasticloadbalancing:AddTags"],
            resources=both,
            condition={"StringEquals": creation},
        ),
        Statement(
            sid="TagBalancers",
            actions=_actions("elasticloadbalancing", "AddTags RemoveTags"),
            resources=both,
            condition=ground.retagged,
        ),
        Statement(
            sid="Balancers",
            actions=_actions("elasticloadbalancing", _ELB_CHANGES),
            resources=ground.elb(_BALANCER, _TARGETS, _LISTENER),
            condition={"StringEquals": ground.own},
        ),
    ]


def _listeners(ground: Ground) -> list[Statement]:
    """Rules do not carry the cluster's tag at all times, so what they are called has to do."""
    of_listeners = "AddListenerCertificates CreateRule DeleteListener ModifyListener RemoveListenerCertificates"
    return [
        Statement(
            sid="NewListeners",
            actions=["elasticloadbalancing:CreateListener"],
            resources=ground.elb(_BALANCER),
            condition={"StringEquals": ground.own},
        ),
        Statement(
            sid="Listeners",
            actions=_actions("elasticloadbalancing", of_listeners),
            resources=ground.elb(_LISTENER),
        ),
        Statement(
            sid="Rules",
            actions=_actions("elasticloadbalancing", "DeleteRule ModifyRule SetRulePriorities"),
            resources=ground.elb(_RULE),
        ),
        Statement(
            sid="TagListeners",
            actions=_actions("elasticloadbalancing", "AddTags RemoveTags"),
            resources=ground.elb(_LISTENER, _RULE),
        ),
    ]
