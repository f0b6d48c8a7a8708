from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Index:
    """A secondary index over all attributes; items without its keys are not in it."""

    name: str
    hash_key: str
    range_key: str


@dataclass(frozen=True, kw_only=True)
class RecordTableArgs:
    """A table's keys, all of them text, and its protection."""

    table_name: str
    """Name of the table, one of an account and region."""
    hash_key: str
    """Attribute that items are spread by."""
    range_key: str | None = None
    """Attribute that items of one hash key are ordered by."""
    indexes: tuple[Index, ...] = ()
    """Secondary indexes."""
    key_arn: pulumi.Input[str]
    """KMS key of the items."""
    point_in_time_recovery: bool
    """Allow restoring it to any second of the last 35 days."""
    deletion_protection: bool
    """Make DynamoDB itself refuse to delete it."""
    protect: bool
    """Make Pulumi refuse to delete it."""


class RecordTable(pulumi.ComponentResource):
    """A table on demand, whose items leave after the time in `expires_at`."""

    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]

    def __init__(self, name: str, args: RecordTableArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:RecordTable", name, None, opts)
        table = aws.dynamodb.Table(
            name,
            name=args.table_name,
            billing_mode="PAY_PER_REQUEST",
            hash_key=args.hash_key,
            range_key=args.range_key,
            attributes=[aws.dynamodb.TableAttributeArgs(name=key, type="S") for key in _keys(args)],
            global_secondary_indexes=[_index(index) for index in args.indexes],
            ttl=aws.dynamodb.TableTtlArgs(attribute_name="expires_at", enabled=True),
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=args.key_arn),
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=args.point_in_time_recovery),
            deletion_protection_enabled=args.deletion_protection,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.table_name, self.table_arn = table.name, table.arn
        self.register_outputs({"table_name": self.table_name, "table_arn": self.table_arn})


def _keys(args: RecordTableArgs) -> list[str]:
    keys = {args.hash_key, *(key for index in args.indexes for key in (index.hash_key, index.range_key))}
    return sorted(keys | ({args.range_key} if args.range_key else set()))


def _index(index: Index) -> aws.dynamodb.TableGlobalSecondaryIndexArgs:
    key = aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs
    return aws.dynamodb.TableGlobalSecondaryIndexArgs(
        name=index.name,
        key_schemas=[
            key(attribute_name=index.hash_key, key_type="HASH"),
            key(attribute_name=index.range_key, key_type="RANGE"),
        ],
        projection_type="ALL",
    )
