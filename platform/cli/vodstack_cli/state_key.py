"""The KMS keys of Pulumi's state: one for the bucket's objects, and one for the secrets of each stack."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from vodstack_cli.errors import CommandError
from vodstack_contracts.state import KEY_ALIAS, secrets_alias

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_kms.type_defs import KeyMetadataTypeDef, TagTypeDef

PURPOSE_TAG = "vodstack:purpose"
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


@dataclass(frozen=True)
class Purpose:
    """What a key is for. Its tag finds it again where an earlier run ended before it got its alias."""

    alias: str
    tag_value: str
    description: str

    @property
    def mark(self) -> "TagTypeDef":
        return {"TagKey": PURPOSE_TAG, "TagValue": self.tag_value}


OBJECTS = Purpose(KEY_ALIAS, "pulumi-state", "Objects of vodstack's bucket of Pulumi states")


def secrets_of(stack: str) -> Purpose:
    return Purpose(
        secrets_alias(stack), f"pulumi-secrets/{stack}", f"Secrets in the Pulumi state of vodstack's {stack}"
    )


def ensure_key(kms: "KMSClient", place: Place, purpose: Purpose, tell: Callable[[str], None]) -> str:
    """The ARN of the key behind the alias, made or repaired where it must be. `tell` hears of changes."""
    policy = _policy(place)
    key = _aliased(kms, purpose)
    if key is None:
        key = _orphan(kms, purpose) or _created(kms, purpose, policy, tell)
        kms.create_alias(AliasName=purpose.alias, TargetKeyId=key["KeyId"])
        tell(f"{purpose.alias}: points to key {key['KeyId']}")
    _refuse_unusable(kms, purpose, key)
    if not kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]:
        kms.enable_key_rotation(KeyId=key["KeyId"])
        tell(f"{purpose.alias}: rotation is on")
    if json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]) != policy:
        kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(policy))
        tell(f"{purpose.alias}: policy is set")
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


def _aliased(kms: "KMSClient", purpose: Purpose) -> "KeyMetadataTypeDef | None":
    try:
        return kms.describe_key(KeyId=purpose.alias)["KeyMetadata"]
    except kms.exceptions.NotFoundException:
        return None


def _created(
    kms: "KMSClient", purpose: Purpose, policy: dict[str, object], tell: Callable[[str], None]
) -> "KeyMetadataTypeDef":
    key = kms.create_key(
        Description=purpose.description, Policy=json.dumps(policy), Tags=[purpose.mark], MultiRegion=False
    )["KeyMetadata"]
    tell(f"key {key['KeyId']}: made")
    return key


def _orphan(kms: "KMSClient", purpose: Purpose) -> "KeyMetadataTypeDef | None":
    """A key of this purpose without its alias: an earlier run ended between the two."""
    for page in kms.get_paginator("list_keys").paginate():
        for entry in page["Keys"]:
            key_id = str(entry.get("KeyId"))
            if _is_marked(kms, purpose, key_id):
                key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
                if key.get("KeyState") == ALIVE:
                    return key
    return None


def _is_marked(kms: "KMSClient", purpose: Purpose, key_id: str) -> bool:
    try:
        return purpose.mark in kms.list_resource_tags(KeyId=key_id)["Tags"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "AccessDeniedException":
            return False
        raise


def _refuse_unusable(kms: "KMSClient", purpose: Purpose, key: "KeyMetadataTypeDef") -> None:
    if not _is_marked(kms, purpose, key["KeyId"]):
        raise CommandError(
            f"{purpose.alias} points to key {key['KeyId']}, which bootstrap did not make for this, so it is left "
            f"alone. Delete the alias, or tag the key {PURPOSE_TAG}={purpose.tag_value} if it is meant for this."
        )
    if key.get("KeyState") != ALIVE:
        raise CommandError(
            f"Key {key['KeyId']} behind {purpose.alias} is {key.get('KeyState')}, and without it the state cannot be "
            "read. Cancel its deletion (aws kms cancel-key-deletion), enable it (aws kms enable-key), run this again."
        )
