from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.policy import Statement, policy_document

# What the account's own IAM policies may hand out: the key's administration and its use, each by name.
_ADMINISTRATION = (
    "CancelKeyDeletion",
    "CreateAlias",
    "CreateGrant",
    "DeleteAlias",
    "DescribeKey",
    "DisableKey",
    "DisableKeyRotation",
    "EnableKey",
    "EnableKeyRotation",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "ListGrants",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListResourceTags",
    "PutKeyPolicy",
    "RetireGrant",
    "RevokeGrant",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
    "UpdateKeyDescription",
)
_USE = ("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo")
_SENDING = ("kms:Decrypt", "kms:GenerateDataKey")
_THIS_KEY = "*"  # in a key's own policy, the only way to name that key


@dataclass(frozen=True, kw_only=True)
class DataKeyArgs:
    """Who decides on the key, and what becomes of it."""

    account_id: pulumi.Input[str]
    """The account whose IAM policies decide, and whose services may send through the key."""
    alias: str
    """Its name for people, without `alias/`: one of an account and region."""
    senders: Sequence[str]
    """Services that send to encrypted queues and topics, such as `s3.amazonaws.com`."""
    deletion_window_days: int
    """Days between the key's deletion and its end, from 7 to 30."""
    protect: bool
    """Make Pulumi refuse to delete it."""


class DataKey(pulumi.ComponentResource):
    """The customer-managed key of all data at rest, rotated every year."""

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:DataKey", name, None, opts)
        key = aws.kms.Key(
            name,
            description=f"vodstack data of {pulumi.get_stack()}",
            enable_key_rotation=True,
            deletion_window_in_days=args.deletion_window_days,
            policy=_key_policy(args),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        aws.kms.Alias(
            name,
            name=f"alias/{args.alias}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.key_arn = key.arn
        self.register_outputs({"key_arn": self.key_arn})


def _key_policy(args: DataKeyArgs) -> pulumi.Output[str]:
    return policy_document(
        Statement(
            sid="AccountDecides",
            principal={"AWS": pulumi.Output.concat("arn:aws:iam::", args.account_id, ":root")},
            actions=[f"kms:{action}" for action in (*_ADMINISTRATION, *_USE)],
            resources=[_THIS_KEY],
        ),
        # To encrypted queues and topics.
        *(
            Statement(
                principal={"Service": sender},
                actions=_SENDING,
                resources=[_THIS_KEY],
                condition={"StringEquals": {"aws:SourceAccount": args.account_id}},
            )
            for sender in args.senders
        ),
    )
