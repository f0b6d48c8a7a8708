"""What the operators may do to AWS, row by row: scaling, load balancers, nodes."""

from collections.abc import Mapping

from tests.policy_judge import Call, Values, may

from vodstack_platform.embedded.identity import role_by_arn

ACCOUNT, REGION = "123456789012", "us-east-1"
CLUSTER = "vodstack-dev"
ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
BALANCER, TARGETS = f"{ELB}:loadbalancer/app/a/1", f"{ELB}:targetgroup/a/1"
GROUP = f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-1"
OWN, OTHERS = "aws:ResourceTag/elbv2.k8s.aws/cluster", "aws:RequestTag/elbv2.k8s.aws/cluster"


def _policies(everything, name):
    return role_by_arn(everything, everything.one("aws:iam/role:Role", name).outputs["arn"]).policies


def test_what_scales_counts_messages_and_waiting_jobs_and_reads_nothing_else(everything):
    policies = _policies(everything, "keda-operator")
    for queue in ("arrivals", "chunks"):
        arn = everything.outputs[f"{queue}QueueArn"]
        assert may(policies, Call("sqs:GetQueueAttributes", arn))
        assert not may(policies, Call("sqs:ReceiveMessage", arn))
        assert not may(policies, Call("sqs:GetQueueAttributes", everything.outputs[f"{queue}DlqArn"]))
    work, videos = everything.outputs["workTableArn"], everything.outputs["videosTableArn"]
    assert may(policies, Call("dynamodb:Query", work))
    for action, table in (("Query", videos), ("Scan", work), ("GetItem", work), ("UpdateItem", work)):
        assert not may(policies, Call(f"dynamodb:{action}", table))


HERE = {"aws:RequestedRegion": REGION}
BALANCERS = [
    # New ones carry the cluster's tag, and only what carries it is changed.
    ("elasticloadbalancing:CreateLoadBalancer", BALANCER, {OTHERS: CLUSTER}, True),
    ("elasticloadbalancing:CreateLoadBalancer", BALANCER, {OTHERS: "other"}, False),
    ("elasticloadbalancing:CreateLoadBalancer", BALANCER, {OWN: CLUSTER}, False),
    ("elasticloadbalancing:CreateTargetGroup", TARGETS, {}, False),
    *[
        (f"elasticloadbalancing:{action}", where, {OWN: tag}, tag == CLUSTER)
        for action, where in (
            ("DeleteLoadBalancer", BALANCER),
            ("ModifyLoadBalancerAttributes", BALANCER),
            ("SetSecurityGroups", BALANCER),
            ("DeleteTargetGroup", TARGETS),
            ("RegisterTargets", TARGETS),
        )
        for tag in (CLUSTER, "other")
    ],
    ("elasticloadbalancing:DeleteLoadBalancer", BALANCER, {}, False),
    ("elasticloadbalancing:DeleteLoadBalancer", BALANCER, {OTHERS: CLUSTER}, False),
    ("elasticloadbalancing:CreateListener", BALANCER, {OWN: CLUSTER}, True),
    ("elasticloadbalancing:CreateListener", BALANCER, {OWN: "other"}, False),
    # Its tag is set as a thing is made, and never put on what others have made, nor taken away from its own.
    (
        "elasticloadbalancing:AddTags",
        BALANCER,
        {OTHERS: CLUSTER, "elasticloadbalancing:CreateAction": "CreateLoadBalancer"},
        True,
    ),
    ("elasticloadbalancing:AddTags", BALANCER, {OTHERS: CLUSTER}, False),
    ("elasticloadbalancing:AddTags", BALANCER, {OWN: CLUSTER}, True),
    ("elasticloadbalancing:RemoveTags", BALANCER, {OWN: CLUSTER}, True),
    ("elasticloadbalancing:AddTags", BALANCER, {OWN: CLUSTER, OTHERS: "other"}, False),
    ("elasticloadbalancing:AddTags", BALANCER, {OWN: "other"}, False),
    ("ec2:CreateTags", GROUP, {OTHERS: CLUSTER, "ec2:CreateAction": "CreateSecurityGroup"}, True),
    ("ec2:CreateTags", GROUP, {OTHERS: CLUSTER}, False),
    ("ec2:CreateTags", GROUP, {OWN: CLUSTER}, True),
    ("ec2:CreateTags", GROUP, {OWN: CLUSTER, OTHERS: "other"}, False),
    ("ec2:DeleteTags", GROUP, {OWN: "other"}, False),
    ("ec2:CreateSecurityGroup", GROUP, {OTHERS: CLUSTER}, True),
    ("ec2:CreateSecurityGroup", GROUP, {}, False),
    ("ec2:DeleteSecurityGroup", GROUP, {OWN: CLUSTER}, True),
    ("ec2:DeleteSecurityGroup", GROUP, {"aws:ResourceTag/aws:eks:cluster-name": CLUSTER}, False),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, {OWN: CLUSTER}, True),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, {"aws:ResourceTag/aws:eks:cluster-name": CLUSTER}, True),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, {"aws:ResourceTag/aws:eks:cluster-name": "other"}, False),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, {}, False),
    ("ec2:DescribeSubnets", "*", HERE, True),
    ("ec2:DescribeSubnets", "*", {"aws:RequestedRegion": "eu-west-1"}, False),
]


def test_the_load_balancer_controller_changes_its_own_clusters_alone(everything):
    policies = _policies(everything, "aws-load-balancer-controller")
    assert [row for row in BALANCERS if may(policies, Call(*row[:3])) is not row[3]] == []


EC2, PROFILE = f"arn:aws:ec2:{REGION}:{ACCOUNT}", f"arn:aws:iam::{ACCOUNT}:instance-profile/p"
POOL, CLASS = "karpenter.sh/nodepool", "karpenter.k8s.aws/ec2nodeclass"


def _tagged(of, cluster=CLUSTER, *, kind=POOL, more: Mapping[str, Values] | None = None) -> dict[str, Values]:
    """Facts of a call whose request, or whose resource, has the tags that Karpenter gives."""
    key = f"aws:{of}Tag"
    tags: dict[str, Values] = {f"{key}/kubernetes.io/cluster/{cluster}": "owned", f"{key}/{kind}": "graviton"}
    if of == "Request":
        tags[f"{key}/eks:eks-cluster-name"] = cluster
    return {**tags, **(more or {})}


REGION_TAG = "topology.kubernetes.io/region"
NODES = [
    # It starts what its request tags as the cluster's, and ends what carries that tag.
    ("ec2:RunInstances", f"{EC2}:instance/*", _tagged("Request"), True),
    ("ec2:RunInstances", f"{EC2}:instance/*", _tagged("Request", "other"), False),
    ("ec2:RunInstances", f"{EC2}:instance/*", _tagged("Resource"), False),
    ("ec2:RunInstances", f"{EC2}:instance/*", {}, False),
    ("ec2:RunInstances", f"{EC2}:launch-template/lt", _tagged("Resource"), True),
    ("ec2:RunInstances", f"{EC2}:launch-template/lt", {}, False),
    ("ec2:CreateLaunchTemplate", f"{EC2}:launch-template/*", _tagged("Request"), True),
    ("ec2:CreateLaunchTemplate", f"{EC2}:launch-template/*", {}, False),
    *[
        (f"ec2:{action}", place, facts, facts == _tagged("Resource"))
        for action, place in (
            ("TerminateInstances", f"{EC2}:instance/i"),
            ("DeleteLaunchTemplate", f"{EC2}:launch-template/lt"),
        )
        for facts in (_tagged("Resource"), _tagged("Resource", "other"), _tagged("Request"), {})
    ],
    ("ec2:TerminateInstances", f"{EC2}:volume/v", _tagged("Resource"), False),
    ("ec2:CreateTags", f"{EC2}:instance/i", _tagged("Request", more={"ec2:CreateAction": "RunInstances"}), True),
    ("ec2:CreateTags", f"{EC2}:instance/i", _tagged("Request"), False),
    ("ec2:CreateTags", f"{EC2}:instance/i", _tagged("Resource", more={"aws:TagKeys": ["Name"]}), True),
    ("ec2:CreateTags", f"{EC2}:instance/i", _tagged("Resource", more={"aws:TagKeys": ["Name", "stack"]}), False),
    ("ec2:CreateTags", f"{EC2}:instance/i", _tagged("Resource", "other", more={"aws:TagKeys": ["Name"]}), False),
    ("ec2:ModifyInstanceAttribute", f"{EC2}:instance/i", _tagged("Resource"), False),
    ("iam:CreateInstanceProfile", PROFILE, _tagged("Request", kind=CLASS), False),
    (
        "iam:CreateInstanceProfile",
        PROFILE,
        _tagged("Request", kind=CLASS, more={f"aws:RequestTag/{REGION_TAG}": REGION}),
        True,
    ),
    ("iam:AddRoleToInstanceProfile", PROFILE, {}, False),
    (
        "iam:AddRoleToInstanceProfile",
        PROFILE,
        _tagged("Resource", kind=CLASS, more={f"aws:ResourceTag/{REGION_TAG}": REGION}),
        True,
    ),
    ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/vodstack/dev/a", {}, False),
    ("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{CLUSTER}-interruptions", {}, True),
    ("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:video-processing-queue", {}, False),
    ("eks:DescribeCluster", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}", {}, True),
    ("eks:DescribeCluster", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/other", {}, False),
    ("ssm:GetParameter", f"arn:aws:ssm:{REGION}::parameter/aws/service/bottlerocket/a", {}, True),
    ("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/vodstack/dev/foundation/v1", {}, False),
]


def test_karpenter_starts_and_ends_its_own_clusters_nodes_alone(everything):
    policies = _policies(everything, "karpenter")
    assert [row for row in NODES if may(policies, Call(*row[:3])) is not row[3]] == []


def test_karpenter_hands_over_its_nodes_role_to_machines_alone(everything):
    policies = _policies(everything, "karpenter")
    own, other = (everything.one("aws:iam/role:Role", name).outputs["arn"] for name in ("karpenter-nodes", "worker"))
    for role, service in ((own, "ec2"), (own, "lambda"), (other, "ec2")):
        call = Call("iam:PassRole", role, {"iam:PassedToService": f"{service}.amazonaws.com"})
        assert may(policies, call) is ((role, service) == (own, "ec2"))
