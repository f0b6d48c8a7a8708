"""DynamoDB tables, the parameters that publish outputs, and the keys that encrypt."""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from vodstack_platform.embedded.creation import Creation, Outputs


def make_table(creation: Creation) -> Outputs:
    inputs = creation.inputs
    dynamodb = creation.client("dynamodb")
    indexes = [_index(index) for index in cast("list[dict[str, Any]]", inputs.get("globalSecondaryIndexes") or [])]
    made = dynamodb.create_table(
        TableName=creation.physical_name(),
        BillingMode=inputs.get("billingMode") or "PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
            for attribute in cast("list[dict[str, str]]", inputs.get("attributes") or [])
        ],
        KeySchema=_key_schema(inputs),
        DeletionProtectionEnabled=bool(inputs.get("deletionProtectionEnabled")),
        Tags=[{"Key": key, "Value": value} for key, value in creation.tags.items()],
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )["TableDescription"]
    _set_time_to_live(dynamodb, made["TableName"], inputs.get("ttl"))
    _set_recovery(dynamodb, made["TableName"], inputs.get("pointInTimeRecovery"))
    return {"arn": made["TableArn"]}


def _key_schema(of: Mapping[str, Any]) -> list[dict[str, str]]:
    if of.get("keySchemas"):
        schemas = cast("list[dict[str, str]]", of["keySchemas"])
        return [{"AttributeName": key["attributeName"], "KeyType": key["keyType"]} for key in schemas]
    keys = (("HASH", of.get("hashKey")), ("RANGE", of.get("rangeKey")))
    return [{"AttributeName": str(name), "KeyType": kind} for kind, name in keys if name]


def _index(index: Mapping[str, Any]) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": index["projectionType"]}
    if index.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = index["nonKeyAttributes"]
    return {"IndexName": index["name"], "KeySchema": _key_schema(index), "Projection": projection}


def _set_time_to_live(dynamodb: Any, table: str, ttl: Mapping[str, Any] | None) -> None:
    if ttl and ttl.get("enabled"):
        dynamodb.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": ttl["attributeName"]}
        )


def _set_recovery(dynamodb: Any, table: str, recovery: Mapping[str, Any] | None) -> None:
    if recovery and recovery.get("enabled"):
        dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )


def make_parameter(creation: Creation) -> Outputs:
    ssm = creation.client("ssm")
    name = creation.physical_name()
    ssm.put_parameter(
        Name=name,
        Type=creation.inputs.get("type") or "String",
        Value=creation.inputs["value"],
        Description=creation.inputs.get("description") or "",
        Overwrite=True,
    )
    return {}


def make_key(creation: Creation) -> Outputs:
    kms = creation.client("kms")
    policy = {"Policy": creation.inputs["policy"]} if creation.inputs.get("policy") else {}
    made = kms.create_key(Description=creation.inputs.get("description") or "", **policy)["KeyMetadata"]
    if creation.inputs.get("enableKeyRotation"):
        kms.enable_key_rotation(KeyId=made["KeyId"])
    return {"id": made["KeyId"], "keyId": made["KeyId"], "arn": made["Arn"]}


def make_alias(creation: Creation) -> Outputs:
    creation.client("kms").create_alias(AliasName=creation.physical_name(), TargetKeyId=creation.inputs["targetKeyId"])
    return {}


RECORDS: Final[dict[str, Callable[[Creation], Outputs]]] = {
    "aws:dynamodb/table:Table": make_table,
    "aws:ssm/parameter:Parameter": make_parameter,
    "aws:kms/key:Key": make_key,
    "aws:kms/alias:Alias": make_alias,
}
