"""What the delivery workflows may do to Pulumi's state: their own stack's files, and the keys that encrypt them."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from vodstack_contracts.state import KEY_ALIAS, secrets_alias
from vodstack_platform.policy import Statement

_READ = ("s3:GetObject",)
_WRITE = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")


@dataclass(frozen=True, kw_only=True)
class StateFolder:
    """A stack's part of the bucket of states, as Pulumi's own backend lays it out."""

    project: str
    stack: str
    prefix: str
    """The folder after the bucket in the backend's URL. Stacks that read one another's outputs share it."""
    bucket: pulumi.Input[str]
    region: str
    keys: pulumi.Input[str]
    """ARN pattern of the account's keys in that region."""

    def objects(self, *names: str) -> list[pulumi.Input[str]]:
        return [pulumi.Output.concat(self.bucket, f"/{self.prefix}/.pulumi/", name) for name in names]

    @property
    def own(self) -> list[pulumi.Input[str]]:
        """The stack's checkpoint, tags, history, backups, journal and locks."""
        of = f"{self.project}/{self.stack}"
        folders = [f"{kind}/{of}/*" for kind in ("backups", "history", "journal", "locks/organization")]
        return self.objects(f"stacks/{of}.json*", f"stacks/{of}.pulumi-tags*", *folders)


def state_statements(folder: StateFolder) -> list[Statement]:
    """To preview and to update: read, write and lock the stack's own state, and use the key of its secrets."""
    return [
        *_files(folder, _WRITE),
        _key(folder, "StateKey", KEY_ALIAS, ["kms:Decrypt", "kms:GenerateDataKey"], through_s3=True),
        _key(folder, "StateSecrets", secrets_alias(folder.stack), ["kms:Decrypt", "kms:Encrypt"]),
    ]


def state_reading_statements(folder: StateFolder) -> list[Statement]:
    """To preview: read the stack's own state, its secrets among it, for the CLI decrypts them as it loads them."""
    return [
        *_files(folder, _READ),
        _key(folder, "StateKey", KEY_ALIAS, ["kms:Decrypt"], through_s3=True),
        _key(folder, "StateSecrets", secrets_alias(folder.stack), ["kms:Decrypt"]),
    ]


def _files(folder: StateFolder, actions: Sequence[str]) -> list[Statement]:
    return [
        Statement(
            sid="StateNames",
            actions=["s3:ListBucket"],
            resources=[folder.bucket],
            condition={"StringLike": {"s3:prefix": f"{folder.prefix}/.pulumi/*"}},
        ),
        Statement(sid="StateLayout", actions=["s3:GetObject"], resources=folder.objects("meta.yaml")),
        Statement(sid="State", actions=actions, resources=folder.own),
    ]


def _key(folder: StateFolder, sid: str, alias: str, actions: Sequence[str], *, through_s3: bool = False) -> Statement:
    via = {"StringEquals": {"kms:ViaService": f"s3.{folder.region}.amazonaws.com"}} if through_s3 else {}
    return Statement(
        sid=sid,
        actions=actions,
        resources=[folder.keys],
        condition={"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}, **via},
    )
