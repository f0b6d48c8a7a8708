"""S3: the bucket, and everything that AWS says about a bucket in a call of its own."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.policies import without_conditions


def make_bucket(creation: Creation) -> Outputs:
    name = creation.physical_name("bucket")
    s3 = creation.client("s3")
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": creation.region}}
    s3.create_bucket(Bucket=name, **(elsewhere if creation.region != "us-east-1" else {}))
    if tags := creation.tags:
        tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_set})
    return {}


def notify(creation: Creation) -> Outputs:
    creation.client("s3").put_bucket_notification_configuration(
        Bucket=creation.inputs["bucket"],
        NotificationConfiguration={
            "QueueConfigurations": [_queue_events(queue) for queue in _list(creation, "queues")]
        },
    )
    return {}


def _queue_events(queue: Mapping[str, Any]) -> dict[str, Any]:
    configuration: dict[str, Any] = {"QueueArn": queue["queueArn"], "Events": queue["events"]}
    if queue.get("id"):
        configuration["Id"] = queue["id"]
    rules = [
        {"Name": name, "Value": queue[key]}
        for name, key in (("prefix", "filterPrefix"), ("suffix", "filterSuffix"))
        if queue.get(key)
    ]
    return configuration | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})


def block_public_access(creation: Creation) -> Outputs:
    names = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    block = {_capitalised(name): bool(creation.inputs.get(name)) for name in names}
    creation.client("s3").put_public_access_block(
        Bucket=creation.inputs["bucket"], PublicAccessBlockConfiguration=block
    )
    return {}


def own(creation: Creation) -> Outputs:
    rule = {"ObjectOwnership": creation.inputs["rule"]["objectOwnership"]}
    creation.client("s3").put_bucket_ownership_controls(
        Bucket=creation.inputs["bucket"], OwnershipControls={"Rules": [rule]}
    )
    return {}


def set_policy(creation: Creation) -> Outputs:
    # moto takes every request for one without TLS, so `deny unless TLS` would deny all of them.
    if policy := without_conditions(str(creation.inputs["policy"])):
        creation.client("s3").put_bucket_policy(Bucket=creation.inputs["bucket"], Policy=json.dumps(policy))
    return {}


def encrypt(creation: Creation) -> Outputs:
    rules: list[dict[str, Any]] = []
    for rule in _list(creation, "rules"):
        default = rule["applyServerSideEncryptionByDefault"]
        by_default = {"SSEAlgorithm": default["sseAlgorithm"]}
        if default.get("kmsMasterKeyId"):
            by_default["KMSMasterKeyID"] = default["kmsMasterKeyId"]
        rules.append(
            {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": bool(rule.get("bucketKeyEnabled"))}
        )
    creation.client("s3").put_bucket_encryption(
        Bucket=creation.inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
    )
    return {}


def version(creation: Creation) -> Outputs:
    status = creation.inputs["versioningConfiguration"]["status"]
    creation.client("s3").put_bucket_versioning(
        Bucket=creation.inputs["bucket"], VersioningConfiguration={"Status": status}
    )
    return {}


def allow_browsers(creation: Creation) -> Outputs:
    rules = [
        {"ID" if name == "id" else _capitalised(name): value for name, value in rule.items()}
        for rule in _list(creation, "corsRules")
    ]
    creation.client("s3").put_bucket_cors(Bucket=creation.inputs["bucket"], CORSConfiguration={"CORSRules": rules})
    return {}


def _list(creation: Creation, name: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", creation.inputs.get(name) or [])


def _capitalised(name: str) -> str:
    return name[0].upper() + name[1:]


OBJECTS: Final[dict[str, Callable[[Creation], Outputs]]] = {
    "aws:s3/bucket:Bucket": make_bucket,
    "aws:s3/bucketNotification:BucketNotification": notify,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": block_public_access,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": own,
    "aws:s3/bucketPolicy:BucketPolicy": set_policy,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": encrypt,
    "aws:s3/bucketVersioning:BucketVersioning": version,
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": allow_browsers,
}
