"""The boundaries of roles: all that the program grants lies within, and the strongest policy climbs no higher."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data
from tests.policy_judge import Call, facts_for, may, statements
from tests.stacks.conftest import ALTERNATIVES, PROJECT

from vodstack_platform.embedded.engine import run_program
from vodstack_platform.embedded.errors import ProgramError
from vodstack_platform.embedded.identity import role_by_arn

ACCOUNT, REGION = "123456789012", "us-east-1"
IAM = f"arn:aws:iam::{ACCOUNT}"
REACHES = ("data", "nodes", "balancers")
STRONGEST = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
HERE = {"aws:RequestedRegion": REGION}
ADMINISTRATOR = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
STATE = f"arn:aws:s3:::vodstack-state-{ACCOUNT}-{REGION}"
BOUNDED_BY = {
    "cluster": "balancers",
    "aws-load-balancer-controller": "balancers",
    "nodes": "nodes",
    "karpenter-nodes": "nodes",
    "karpenter": "nodes",
    "aws-ebs-csi-driver": "nodes",
    "api": "data",
    "worker": "data",
    "keda-operator": "data",
}
# Of AWS's managed policies, what no role of ours gets: nothing here asks for it, and other teams would feel it.
LEFT_OUT = {
    "AmazonEKSClusterPolicy": {
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:AttachVolume",
        "ec2:CreateRoute",
        "ec2:CreateVolume",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteRoute",
        "ec2:DeleteVolume",
        "ec2:DescribeVolumes",
        "ec2:DescribeVolumesModifications",
        "ec2:DetachVolume",
        "ec2:ModifyInstanceAttribute",
        "ec2:ModifyVolume",
        "elasticloadbalancing:ApplySecurityGroupsToLoadBalancer",
        "elasticloadbalancing:AttachLoadBalancerToSubnets",
        "elasticloadbalancing:ConfigureHealthCheck",
        "elasticloadbalancing:CreateLoadBalancerListeners",
        "elasticloadbalancing:CreateLoadBalancerPolicy",
        "elasticloadbalancing:DeleteLoadBalancerListeners",
        "elasticloadbalancing:DeregisterInstancesFromLoadBalancer",
        "elasticloadbalancing:DescribeLoadBalancerPolicies",
        "elasticloadbalancing:DetachLoadBalancerFromSubnets",
        "elasticloadbalancing:RegisterInstancesWithLoadBalancer",
        "elasticloadbalancing:SetLoadBalancerPoliciesForBackendServer",
        "elasticloadbalancing:SetLoadBalancerPoliciesOfListener",
    },
    "AmazonEBSCSIDriverPolicy": {
        "ec2:CopyVolumes",
        "ec2:CreateSnapshot",
        "ec2:DeleteSnapshot",
        "ec2:EnableFastSnapshotRestores",
        "ec2:LockSnapshot",
    },
}
_OF_ROLES = (
    "AttachRolePolicy",
    "CreateRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
)
# What a role would climb by, were its own policy all there is.
CLIMBS = [
    *[(f"iam:{action}", f"{IAM}:role/vodstack/dev/a", ADMINISTRATOR) for action in _OF_ROLES],
    *[
        (f"iam:{action}", f"{IAM}:policy/vodstack-delivery/dev/vodstack-dev-data-boundary", {})
        for action in ("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicy", "CreatePolicy")
    ],
    *[(f"iam:{action}", f"{IAM}:user/u", {}) for action in ("CreateUser", "CreateAccessKey", "CreateLoginProfile")],
    ("iam:PassRole", f"{IAM}:role/vodstack-delivery/dev/deploy", {"iam:PassedToService": "ec2.amazonaws.com"}),
    ("iam:PassRole", f"{IAM}:role/vodstack/prod/a", {"iam:PassedToService": "ec2.amazonaws.com"}),
    ("iam:PassRole", f"{IAM}:role/vodstack/dev/a", {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:AddRoleToInstanceProfile", f"{IAM}:instance-profile/other", {}),
    ("iam:CreateServiceLinkedRole", f"{IAM}:role/aws-service-role/x", {"iam:AWSServiceName": "x.amazonaws.com"}),
    ("sts:AssumeRole", f"{IAM}:role/admin", {}),
    ("ec2:CreateLaunchTemplateVersion", "*", HERE),
    ("ec2:ModifyLaunchTemplate", "*", HERE),
    ("ec2:ModifyInstanceAttribute", "*", HERE),
    ("ec2:DescribeInstanceAttribute", "*", HERE),
    ("ec2:AssociateIamInstanceProfile", "*", HERE),
    ("ec2:TerminateInstances", "*", HERE),
    ("ec2:RunInstances", "*", {"aws:RequestedRegion": "eu-west-1"}),
    # With the stack's tag on another team's template, the workflow that deploys could change that.
    ("ec2:CreateTags", "*", {**HERE, "aws:TagKeys": ["Name", "stack"]}),
    ("ec2:CreateTags", "*", {**HERE, "aws:TagKeys": ["kubernetes.io/cluster/vodstack-dev"]}),
    ("s3:GetObject", f"{STATE}/dev/.pulumi/stacks/vodstack/dev.json", {}),
    ("s3:GetObject", "arn:aws:s3:::another-bucket/a", {}),
    ("s3:PutBucketPolicy", "arn:aws:s3:::vodstack-dev-1", {}),
    ("kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k", {"kms:ResourceAliases": ["alias/vodstack-state/dev"]}),
    ("kms:PutKeyPolicy", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k", {"aws:ResourceTag/stack": "dev"}),
    ("kms:CreateGrant", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k", {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"}),
    ("secretsmanager:GetSecretValue", "*", {}),
    ("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a", {}),
    ("ssm:SendCommand", "*", {}),
    ("eks:CreateAccessEntry", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/vodstack-dev", {}),
    ("eks:DescribeCluster", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/other", {}),
    ("dynamodb:DeleteTable", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/twelve-labs-videos", {}),
    ("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/other", {}),
    ("lambda:CreateFunction", "*", {}),
    ("cloudformation:CreateStack", "*", {}),
]


def _document(deployed: Any, reach: str) -> str:
    return deployed.one("aws:iam/policy:Policy", f"roles-{reach}").inputs["policy"]


def _roles(deployed: Any) -> Iterator[Any]:
    for role in deployed.of_type("aws:iam/role:Role"):
        if not role.inputs["path"].startswith("/vodstack-delivery/"):
            yield role


def test_every_role_carries_the_boundary_of_what_it_is_for(everything):
    reached = {role.name: role.inputs["permissionsBoundary"] for role in _roles(everything)}
    path = f"{IAM}:policy/vodstack-delivery/dev/vodstack-dev"
    assert reached == {name: f"{path}-{reach}-boundary" for name, reach in BOUNDED_BY.items()}


@pytest.mark.parametrize("name", ["local", "services of layers elsewhere", "cluster of a foundation elsewhere"])
def test_roles_of_every_stack_carry_one_that_the_stack_makes(name):
    deployed = ALTERNATIVES[name].known
    made = {policy.outputs["arn"] for policy in deployed.of_type("aws:iam/policy:Policy")}
    roles = list(_roles(deployed))
    assert roles
    for role in roles:
        assert role.inputs["permissionsBoundary"] in made, role.urn


def test_a_stack_that_makes_no_role_makes_no_boundary():
    assert not ALTERNATIVES["emulator"].known.of_type("aws:iam/policy:Policy")


def test_pulumi_eks_is_given_every_role_and_so_makes_none(everything):
    """It makes a service role unless it has one, and one of instances unless it is told that there are no nodes."""
    cluster = everything.one("eks:index:Cluster").inputs
    assert cluster["serviceRole"]
    assert cluster["skipDefaultNodeGroup"] is True
    assert not {"createInstanceRole", "fargate", "autoMode", "createOidcProvider"} & cluster.keys()
    assert everything.one("eks:index:ManagedNodeGroup").inputs["nodeRoleArn"]


def test_nothing_is_granted_by_a_boundary(everything):
    boundaries = {everything.one("aws:iam/policy:Policy", f"roles-{reach}").outputs["arn"] for reach in REACHES}
    attachments = everything.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    assert not boundaries & {attachment.inputs["policyArn"] for attachment in attachments}


def test_all_that_the_program_grants_lies_within(everything):
    for role in _roles(everything):
        boundary = _document(everything, BOUNDED_BY[role.name])
        for document in role_by_arn(everything, role.outputs["arn"]).policies:
            for statement in statements(document):
                facts = {**HERE, "iam:PassedToService": "ec2.amazonaws.com", **facts_for(statement)}
                for action in statement["Action"]:
                    for resource in statement["Resource"]:
                        call = Call(action, resource.replace("*", "any"), facts)
                        assert may([document], call, boundary=boundary), (role.name, action, resource)


def test_of_awss_managed_policies_exactly_the_needless_is_left_out(everything):
    managed = json.loads(aws_managed_policies_data)
    for role in _roles(everything):
        for attachment in everything.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
            if attachment.inputs["role"] == role.outputs["name"]:
                name = attachment.inputs["policyArn"].rpartition("/")[2]
                boundary = _document(everything, BOUNDED_BY[role.name])
                refused = _refused(managed[name]["Document"], boundary, everything.outputs["keyArn"])
                assert refused == LEFT_OUT.get(name, set()), (role.name, name)


def _refused(document: dict[str, Any], boundary: str, key: str) -> set[str]:
    refused: set[str] = set()
    for statement in statements(document):
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        for action in actions:
            facts = {**HERE, "ec2:CreateAction": "CreateVolume", **facts_for(statement)}
            if not any(
                may([document], Call(action, each, facts), boundary=boundary) for each in _resources(statement, key)
            ):
                refused.add(action)
    return refused


def _resources(statement: dict[str, Any], key: str) -> Iterator[str]:
    """Resources that a statement names, or may mean."""
    named = [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]
    for each in named:
        yield each.replace("*", "any")
        if each == "*":
            yield key
            yield f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/vodstack-dev"
            yield f"{IAM}:role/aws-service-role/elasticloadbalancing.amazonaws.com/any"


@pytest.mark.parametrize("reach", REACHES)
def test_the_strongest_policy_climbs_no_higher(everything, reach):
    boundary = _document(everything, reach)
    climbed = [row for row in CLIMBS if may([STRONGEST], Call(*row), boundary=boundary)]
    assert climbed == []


@pytest.mark.parametrize("reach", REACHES)
def test_a_boundary_fits_its_limit_with_long_names(run, reach):
    long = {"tables": {"videos": "v" * 255, "work": "w" * 255}, "queues": {"arrivals": "a" * 76, "chunks": "c" * 76}}
    named = run("dev", foundation=long, cluster={"name": "c" * 100})
    assert len(_document(named, reach)) <= 6144


@pytest.mark.parametrize("name", ["state", "state-1", "state.eu"])
def test_a_stack_called_like_the_state_is_refused_before_any_resource(name):
    with pytest.raises(ProgramError, match="no stack may be called"):
        run_program("local", project=PROJECT, endpoint=None, name=name)
