"""The bucket that holds Pulumi's state."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from vodstack_cli.errors import CommandError
from vodstack_cli.state_key import Place
from vodstack_contracts.state import bucket_name

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DEFAULT_REGION = "us-east-1"
NONCURRENT_DAYS = 90
ABANDONED_UPLOAD_DAYS = 7

UNSET_CODES = (
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
    "NoSuchBucketPolicy",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchLifecycleConfiguration",
)

PUBLIC_ACCESS = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
OWNERSHIP = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
LIFECYCLE_RULES = [
    {
        "ID": "vodstack-state-history",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": NONCURRENT_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABANDONED_UPLOAD_DAYS},
    }
]


@dataclass(frozen=True)
class _Setting:
    """One property of the bucket: how it is read, and how it is made what it should be."""

    name: str
    current: Callable[[], Any]
    wanted: Callable[[Any], Any]
    put: Callable[[Any], object]


def ensure_bucket(s3: "S3Client", place: Place, key_arn: str, tell: Callable[[str], None]) -> str:
    """The bucket's name, made or repaired where it is not as it should be. `tell` hears of changes."""
    name = bucket_name(place.account, place.region)
    if not _is_ours(s3, name, place.region):
        _create(s3, name, place.region)
        tell(f"bucket {name}: made")
    for setting in _settings(s3, name, place, key_arn):
        current = _current(setting)
        wanted = setting.wanted(current)
        if not holds(wanted, current):
            setting.put(wanted)
            tell(f"bucket {name}: {setting.name}")
    return name


def holds(wanted: object, current: object) -> bool:
    """Whether `current` says all that `wanted` says; AWS adds fields of its own to what it was given."""
    if isinstance(wanted, Mapping) and isinstance(current, Mapping):
        ours, theirs = cast("Mapping[str, object]", wanted), cast("Mapping[str, object]", current)
        return all(key in theirs and holds(value, theirs[key]) for key, value in ours.items())
    if isinstance(wanted, list) and isinstance(current, list):
        pairs = cast("list[object]", wanted), cast("list[object]", current)
        return len(pairs[0]) == len(pairs[1]) and all(map(holds, *pairs))
    return wanted == current


def _is_ours(s3: "S3Client", name: str, region: str) -> bool:
    """Whether this account has the bucket: only a list of one's own buckets tells it apart from another's."""
    for page in s3.get_paginator("list_buckets").paginate(Prefix=name):
        for bucket in page.get("Buckets", ()):
            if bucket.get("Name") == name:
                found = bucket.get("BucketRegion", region)
                if found != region:
                    raise CommandError(f"Bucket {name} lies in {found}, not in {region}. Empty and delete it first.")
                return True
    return False


def _create(s3: "S3Client", name: str, region: str) -> None:
    try:
        elsewhere: Any = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(
            Bucket=name, ObjectOwnership="BucketOwnerEnforced", **({} if region == DEFAULT_REGION else elsewhere)
        )
    except s3.exceptions.BucketAlreadyExists as error:
        raise CommandError(
            f"Bucket {name} belongs to another AWS account, and state never goes there. Somebody took the name of "
            "your account: tell your security team, and keep the state in a region whose bucket is free (--region)."
        ) from error
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    s3.get_waiter("bucket_exists").wait(Bucket=name)


def _settings(s3: "S3Client", name: str, place: Place, key_arn: str) -> list[_Setting]:
    """In the order in which a bucket should get them: closed first, then filled in."""
    of: Any = {"Bucket": name, "ExpectedBucketOwner": place.account}
    return [*_closed(s3, of, f"arn:{place.partition}:s3:::{name}"), *_kept(s3, of, key_arn)]


def _closed(s3: "S3Client", of: Any, arn: str) -> list[_Setting]:
    return [
        _Setting(
            "public access is blocked",
            lambda: s3.get_public_access_block(**of)["PublicAccessBlockConfiguration"],
            lambda _: PUBLIC_ACCESS,
            lambda value: s3.put_public_access_block(PublicAccessBlockConfiguration=value, **of),
        ),
        _Setting(
            "its owner owns every object",
            lambda: s3.get_bucket_ownership_controls(**of)["OwnershipControls"],
            lambda _: OWNERSHIP,
            lambda value: s3.put_bucket_ownership_controls(OwnershipControls=value, **of),
        ),
        _Setting(
            "only TLS is let in",
            lambda: json.loads(s3.get_bucket_policy(**of)["Policy"]),
            lambda current: _with_tls_only(current, arn),
            lambda value: s3.put_bucket_policy(Policy=json.dumps(value), **of),
        ),
    ]


def _kept(s3: "S3Client", of: Any, key_arn: str) -> list[_Setting]:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
    return [
        _Setting(
            "versions are kept",
            lambda: s3.get_bucket_versioning(**of).get("Status"),
            lambda _: "Enabled",
            lambda value: s3.put_bucket_versioning(VersioningConfiguration={"Status": value}, **of),
        ),
        _Setting(
            "objects are encrypted with the key",
            lambda: s3.get_bucket_encryption(**of)["ServerSideEncryptionConfiguration"],
            lambda _: encryption,
            lambda value: s3.put_bucket_encryption(ServerSideEncryptionConfiguration=value, **of),
        ),
        _Setting(
            f"replaced versions go after {NONCURRENT_DAYS} days",
            lambda: s3.get_bucket_lifecycle_configuration(**of)["Rules"],
            lambda current: _beside_others(current or [], LIFECYCLE_RULES, "ID"),
            lambda value: s3.put_bucket_lifecycle_configuration(LifecycleConfiguration={"Rules": value}, **of),
        ),
    ]


def _current(setting: _Setting) -> Any:
    try:
        return setting.current()
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in UNSET_CODES:
            return None
        raise


def _with_tls_only(current: dict[str, Any] | None, arn: str) -> dict[str, Any]:
    tls_only: dict[str, Any] = {
        "Sid": "VodstackTlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    statements = (current or {}).get("Statement", [])
    return {"Version": "2012-10-17", "Statement": _beside_others(statements, [tls_only], "Sid")}


def _beside_others(
    current: Sequence[dict[str, Any]], ours: Sequence[dict[str, Any]], identity: str
) -> list[dict[str, Any]]:
    """Ours in their place, or at the end; what a team added itself stays as it is."""
    by_name = {entry[identity]: entry for entry in ours}
    kept = [by_name.pop(str(entry.get(identity)), entry) for entry in current]
    return [*kept, *by_name.values()]
