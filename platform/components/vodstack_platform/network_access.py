"""What a deployment may do to EC2: make what a stack has, and change or remove what carries the stack's tag."""

import pulumi

from vodstack_platform import deployment_actions as named
from vodstack_platform.deployment_actions import actions
from vodstack_platform.policy import Statement


def network_statements(stack: str, region: str, rules: pulumi.Input[str]) -> list[Statement]:
    """`rules` is the ARN pattern of security groups' rules, which are made within a call on their group.

    Another team's launch template would be a way to that team's rights, so its tag decides who changes one.
    """
    here = {"aws:RequestedRegion": region}
    own = {"StringEquals": {**here, "aws:ResourceTag/stack": stack}}
    return [
        Statement(
            sid="NetworkMade",
            actions=actions("ec2", f"{named.EC2_READS} {named.EC2_CREATIONS}"),
            resources=["*"],
            condition={"StringEquals": here},
        ),
        Statement(sid="NetworkOwn", actions=actions("ec2", named.EC2_CHANGES), resources=["*"], condition=own),
        Statement(
            sid="NetworkTags",
            actions=["ec2:CreateTags"],
            resources=["*"],
            condition={"StringEquals": here, "Null": {"ec2:CreateAction": "false"}},
        ),
        Statement(
            sid="NetworkRules",
            actions=actions("ec2", named.EC2_RULES),
            resources=[rules],
            condition={"StringEquals": here},
        ),
    ]
