import pulumi
import pulumi_aws as aws

from vodstack_platform.policy import Statement, policy_document, role_path

_MANAGED_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly")


def node_role(
    name: str, description: str, opts: pulumi.ResourceOptions, *, permissions_boundary: pulumi.Input[str] | None
) -> tuple[aws.iam.Role, list[aws.iam.RolePolicyAttachment]]:
    """The role of nodes, and its policies: nodes that lose these before they are gone cannot leave in good order."""
    role = aws.iam.Role(
        name,
        path=role_path(pulumi.get_stack()),
        description=f"vodstack {description} of {pulumi.get_stack()}",
        assume_role_policy=policy_document(
            Statement(sid="Nodes", principal={"Service": "ec2.amazonaws.com"}, actions=["sts:AssumeRole"])
        ),
        permissions_boundary=permissions_boundary,
        opts=opts,
    )
    attachments = [
        aws.iam.RolePolicyAttachment(
            f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=opts
        )
        for policy in _MANAGED_POLICIES
    ]
    return role, attachments
