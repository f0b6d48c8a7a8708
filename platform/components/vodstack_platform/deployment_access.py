"""What the delivery workflows may do: what the program's resources need, on those alone where AWS can name them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi

from vodstack_platform import deployment_actions as named
from vodstack_platform.deployment_actions import actions, is_read
from vodstack_platform.network_access import network_statements
from vodstack_platform.policy import Statement
from vodstack_platform.state_access import StateFolder, state_reading_statements, state_statements

# AWS-managed policies that the program attaches to its roles, and the only ones that a deployment may attach.
MANAGED_POLICIES = (
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKSClusterPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "service-role/AmazonEBSCSIDriverPolicy",
)
_SERVICES_OF_ROLES = ("eks.amazonaws.com", "ec2.amazonaws.com", "pods.eks.amazonaws.com")


@dataclass(frozen=True, kw_only=True)
class Territory:
    """The names within which a stack's resources lie."""

    stack: str
    region: str
    account: pulumi.Input[str]
    bucket_prefixes: Sequence[str]
    queues: Sequence[str]
    tables: Sequence[str]
    repositories: Sequence[str]
    cluster: str
    client_stack: str
    role_path: str
    delivery_path: str
    boundary_arns: Sequence[pulumi.Input[str]]
    state: StateFolder

    def arn(self, service: str, resource: str) -> pulumi.Output[str]:
        return pulumi.Output.concat(f"arn:aws:{service}:{self.region}:", self.account, f":{resource}")

    def iam(self, resource: str) -> pulumi.Output[str]:
        return pulumi.Output.concat("arn:aws:iam::", self.account, f":{resource}")


def deploy_statements(territory: Territory) -> list[Statement]:
    return [*state_statements(territory.state), *_resources(territory)]


def preview_statements(territory: Territory) -> list[Statement]:
    """What reads of the same, and the stack's own state."""
    reads = [
        replace(statement, actions=[action for action in statement.actions if is_read(action)])
        for statement in _resources(territory)
        if statement.effect == "Allow"
    ]
    return [*state_reading_statements(territory.state), *(statement for statement in reads if statement.actions)]


def _resources(territory: Territory) -> list[Statement]:
    return [
        *_data(territory),
        *_tokens(territory),
        *_alarms(territory),
        *_roles(territory),
        *_cluster(territory),
    ]


def _of_stack(territory: Territory) -> dict[str, dict[str, str]]:
    """For what has no name of ours: the tag by which it is the stack's."""
    return {"StringEquals": {"aws:ResourceTag/stack": territory.stack}}


def _data(territory: Territory) -> list[Statement]:
    buckets = [f"arn:aws:s3:::{prefix}*" for prefix in territory.bucket_prefixes]
    return [
        Statement(sid="Bucket", actions=actions("s3", named.S3_BUCKET), resources=buckets),
        Statement(
            sid="Queues",
            actions=actions("sqs", named.SQS),
            resources=[territory.arn("sqs", name) for name in territory.queues],
        ),
        Statement(
            sid="Tables",
            actions=actions("dynamodb", named.DYNAMODB),
            resources=[territory.arn("dynamodb", f"table/{name}") for name in territory.tables],
        ),
        Statement(
            sid="Registries",
            actions=actions("ecr", named.ECR),
            resources=[territory.arn("ecr", f"repository/{name}") for name in territory.repositories],
        ),
        Statement(
            sid="Outputs",
            actions=actions("ssm", named.SSM),
            resources=[territory.arn("ssm", f"parameter/vodstack/{territory.stack}/*")],
        ),
        Statement(
            sid="Key",
            actions=actions("kms", named.KMS_KEY),
            resources=[territory.arn("kms", "key/*")],
            condition=_of_stack(territory),
        ),
        Statement(
            sid="KeyAlias",
            actions=["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"],
            resources=[territory.arn("kms", f"alias/vodstack-{territory.stack}")],
        ),
    ]


def _tokens(territory: Territory) -> list[Statement]:
    return [
        Statement(
            sid="Tokens",
            actions=actions("cognito-idp", named.COGNITO),
            resources=[territory.arn("cognito-idp", "userpool/*")],
            condition=_of_stack(territory),
        ),
        Statement(
            sid="TokenClient",
            actions=actions("cloudformation", named.CLOUDFORMATION),
            resources=[territory.arn("cloudformation", f"stack/{territory.client_stack}/*")],
        ),
    ]


def _alarms(territory: Territory) -> list[Statement]:
    prefix = f"vodstack-{territory.stack}"
    topic = territory.arn("sns", f"{prefix}-alarms")
    return [
        Statement(
            sid="Topic",
            actions=actions("sns", named.SNS),
            resources=[topic, pulumi.Output.concat(topic, ":*")],
        ),
        Statement(
            sid="Alarms",
            actions=actions("cloudwatch", named.ALARMS),
            resources=[territory.arn("cloudwatch", f"alarm:{prefix}-*")],
        ),
        Statement(
            sid="Budget",
            actions=actions("budgets", named.BUDGETS),
            resources=[pulumi.Output.concat("arn:aws:budgets::", territory.account, f":budget/{prefix}")],
        ),
    ]


def _roles(territory: Territory) -> list[Statement]:
    """Roles carry the boundary from their first moment on, and keep it: so none gets more than the boundary lists."""
    roles = [territory.iam(f"role{territory.role_path}*")]
    attached = [f"arn:aws:iam::aws:policy/{name}" for name in MANAGED_POLICIES]
    bounded = {"StringEquals": {"iam:PermissionsBoundary": territory.boundary_arns}}
    own = [territory.iam(f"{kind}{territory.delivery_path}*") for kind in ("role", "policy")]
    provider = territory.iam("oidc-provider/token.actions.githubusercontent.com")
    return [
        Statement(sid="Roles", actions=actions("iam", named.IAM_ROLE), resources=roles),
        Statement(
            sid="BoundedRoles", actions=actions("iam", named.IAM_BOUNDED_ROLE), resources=roles, condition=bounded
        ),
        Statement(
            sid="ManagedPolicies",
            actions=["iam:AttachRolePolicy"],
            resources=roles,
            condition={"ArnEquals": {"iam:PolicyARN": attached}, **bounded},
        ),
        Statement(
            sid="HandOverRoles",
            actions=["iam:PassRole"],
            resources=roles,
            condition={"StringEquals": {"iam:PassedToService": list(_SERVICES_OF_ROLES)}},
        ),
        # Their own rights are beyond them: a person widens those.
        Statement(sid="Delivery", actions=actions("iam", named.IAM_DELIVERY), resources=[*own, provider]),
        Statement(
            sid="BoundaryStays",
            effect="Deny",
            actions=actions("iam", named.IAM_BOUNDARY),
            resources=[territory.iam("role/*")],
        ),
        Statement(sid="DeliveryStays", effect="Deny", actions=actions("iam", named.IAM_CLIMB), resources=own),
    ]


def _cluster(territory: Territory) -> list[Statement]:
    name = territory.cluster
    paths = (f"cluster/{name}", *(f"{kind}/{name}/*" for kind in ("access-entry", "addon", "nodegroup")))
    in_region = {"StringEquals": {"aws:RequestedRegion": territory.region}}
    logs = territory.arn("logs", f"log-group:/aws/eks/{name}/cluster")
    return [
        Statement(
            sid="Cluster",
            actions=actions("eks", named.EKS),
            resources=[territory.arn("eks", path) for path in (*paths, f"podidentityassociation/{name}/*")],
        ),
        Statement(
            sid="ClusterLogs",
            actions=actions("logs", named.LOGS),
            resources=[logs, pulumi.Output.concat(logs, ":*")],
        ),
        Statement(
            sid="NodeWarnings",
            actions=actions("events", named.EVENTS),
            resources=[territory.arn("events", f"rule/{name}-*")],
        ),
        *network_statements(territory.stack, territory.region, territory.arn("ec2", "security-group-rule/*")),
        Statement(sid="Unnamed", actions=named.UNNAMED.split(), resources=["*"], condition=in_region),
    ]
