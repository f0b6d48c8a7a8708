"""The KMS key that encrypts Pulumi's state and its secrets."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from vodstack_cli.errors import CommandError

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_kms.type_defs import KeyMetadataTypeDef, TagTypeDef

KEY_ALIAS = "alias/vodstack-state"
MARK: "TagTypeDef" = {"TagKey": "vodstack:purpose", "TagValue": "pulumi-state"}
ALIVE = "Enabled"

ADMINISTRATION = (
    "CancelKeyDeletion",
    "CreateAlias",
    "DeleteAlias",
    "DescribeKey",
    "DisableKey",
    "EnableKey",
    "EnableKeyRotation",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "ListKeyPolicies",
    "ListResourceTags",
    "PutKeyPolicy",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
)
USE = ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")


@dataclass(frozen=True)
class Place:
    """Where the state lies. `partition` is AWS's own word: `aws`, `aws-cn`, `aws-us-gov`."""

    partition: str
    account: str
    region: str


def ensure_key(kms: "KMSClient", place: Place, tell: Callable[[str], None]) -> str:
    """The ARN of the key behind the alias, made or repaired where it must be. `tell` hears of changes."""
    policy = _policy(place)
    key = _aliased(kms)
    if key is None:
        key = _orphan(kms) or _created(kms, policy, tell)
        kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key["KeyId"])
        tell(f"{KEY_ALIAS}: points to key {key['KeyId']}")
    _refuse_unusable(kms, key)
    if not kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]:
        kms.enable_key_rotation(KeyId=key["KeyId"])
        tell(f"{KEY_ALIAS}: rotation is on")
    if json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]) != policy:
        kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(policy))
        tell(f"{KEY_ALIAS}: policy is set")
    return str(key.get("Arn"))


def _policy(place: Place) -> dict[str, object]:
    """Nobody outside the account; inside it, IAM says who administers the key and who uses it."""

    def allow(sid: str, actions: tuple[str, ...]) -> dict[str, object]:
        return {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{place.partition}:iam::{place.account}:root"},
            "Action": [f"kms:{action}" for action in actions],
            "Resource": "*",
        }

    statements = [allow("AdministeredByIam", ADMINISTRATION), allow("UsedByIam", USE)]
    return {"Version": "2012-10-17", "Statement": statements}


def _aliased(kms: "KMSClient") -> "KeyMetadataTypeDef | None":
    try:
        return kms.describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]
    except kms.exceptions.NotFoundException:
        return None


def _created(kms: "KMSClient", policy: dict[str, object], tell: Callable[[str], None]) -> "KeyMetadataTypeDef":
    key = kms.create_key(
        Description="Pulumi state and secrets of vodstack", Policy=json.dumps(policy), Tags=[MARK], MultiRegion=False
    )["KeyMetadata"]
    tell(f"key {key['KeyId']}: made")
    return key


def _orphan(kms: "KMSClient") -> "KeyMetadataTypeDef | None":
    """A key of ours without its alias: an earlier run ended between the two."""
    for page in kms.get_paginator("list_keys").paginate():
        for entry in page["Keys"]:
            key_id = str(entry.get("KeyId"))
            if _is_marked(kms, key_id):
                key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
                if key.get("KeyState") == ALIVE:
                    return key
    return None


def _is_marked(kms: "KMSClient", key_id: str) -> bool:
    try:
        return MARK in kms.list_resource_tags(KeyId=key_id)["Tags"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "AccessDeniedException":
            return False
        raise


def _refuse_unusable(kms: "KMSClient", key: "KeyMetadataTypeDef") -> None:
    if not _is_marked(kms, key["KeyId"]):
        raise CommandError(
            f"{KEY_ALIAS} points to key {key['KeyId']}, which bootstrap did not make, so it is left alone. Delete the "
            f"alias, or tag the key {MARK['TagKey']}={MARK['TagValue']} if it is meant for this."
        )
    if key.get("KeyState") != ALIVE:
        raise CommandError(
            f"Key {key['KeyId']} behind {KEY_ALIAS} is {key.get('KeyState')}, and without it the state cannot be read. "
            "Cancel its deletion (aws kms cancel-key-deletion), enable it (aws kms enable-key), and run this again."
        )
