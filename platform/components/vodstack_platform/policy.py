"""IAM documents: statements as data, written as canonical JSON so that two runs give the same text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

VERSION = "2012-10-17"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What may be done to what. `principal` and `condition` are for policies on resources and roles."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]] = ()
    sid: str | None = None
    effect: str = "Allow"
    principal: Mapping[str, pulumi.Input[str]] | str | None = None
    condition: Mapping[str, Mapping[str, pulumi.Input[str] | Sequence[pulumi.Input[str]]]] = field(
        default_factory=dict[str, Mapping[str, pulumi.Input[str] | Sequence[pulumi.Input[str]]]]
    )


def role_path(stack: str) -> str:
    """The path of a stack's roles, by which whoever deploys it is kept to them."""
    return f"/vodstack/{stack}/"


def delivery_path(stack: str) -> str:
    """The path of what confines a stack's deployments: its workflows' roles, and the boundary of all other roles."""
    return f"/vodstack-delivery/{stack}/"


def policy_document(*statements: Statement) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps(
        {"Version": VERSION, "Statement": [_plain(statement) for statement in statements]},
        sort_keys=True,
        separators=(",", ":"),
    )


def pod_identity_trust() -> pulumi.Output[str]:
    """The trust policy of a role that EKS Pod Identity gives to pods."""
    return policy_document(
        Statement(
            sid="PodIdentity",
            principal={"Service": "pods.eks.amazonaws.com"},
            actions=["sts:AssumeRole", "sts:TagSession"],
        )
    )


def _plain(statement: Statement) -> dict[str, object]:
    members: dict[str, object] = {
        "Sid": statement.sid,
        "Effect": statement.effect,
        "Principal": statement.principal,
        "Action": sorted(statement.actions),
        "Resource": list(statement.resources),
        "Condition": statement.condition,
    }
    return {name: value for name, value in members.items() if value}
